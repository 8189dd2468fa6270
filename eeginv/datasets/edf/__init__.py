"""EDF and EDF+ files of polysomnograms and hypnograms, read and written."""
