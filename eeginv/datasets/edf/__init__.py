"""Reading and writing of polysomnograms and hypnograms in EDF and EDF+ files."""
