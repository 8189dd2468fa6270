"""The examples in the order in which they are read."""

STORY = (
    "plot_quickstart.py",
    "plot_own_recordings.py",
    "plot_learned_policy.py",
    "plot_compare_methods.py",
    "plot_policy_search.py",
    "plot_transforms.py",
    "plot_own_transforms.py",
    "plot_invariance_profile.py",
)


def place(name):
    """Return the place of an example; one that is not in the story is an error."""
    return STORY.index(name)
