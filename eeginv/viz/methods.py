"""How the methods of the benchmark are named, ordered and drawn, everywhere alike."""

NAMES = {
    "none": "no augmentation",
    "none_learned": "no augmentation, AugNet's copies",
    "trivial": "random augmentation (TrivialAugment)",
    "augnet": "AugNet",
    "augerino": "Augerino",
    "ddas": "DDAS",
    "dada": "DADA",
    "adda": "ADDA",
    "cadda": "CADDA",
    "fasteraa": "Faster AutoAugment",
    "fastaa": "Fast AutoAugment",
    "autoaugment": "AutoAugment",
    "randaugment": "RandAugment",
}
CONTROLS = ("none", "none_learned", "trivial")  # whose training learns no policy
AVERAGING_NAMES = {"plain": "without averaging", "averaged": "averaged over copies"}
# Of networks that were trained without augmentation, and so have no copies of their own.
FOREIGN_COPIES = {
    "none": "averaged over full-strength random copies",
    "none_learned": "averaged over AugNet's learned copies",
}

# The palette of Okabe and Ito, which readers with any colour vision can tell apart; each method
# has a marker of its own as well.
STYLES = {
    "none": ("#5f5f5f", "o"),
    "none_learned": ("#5f5f5f", "D"),
    "trivial": ("#e69f00", "s"),
    "augnet": ("#0072b2", "D"),
    "augerino": ("#56b4e9", "v"),
    "ddas": ("#d55e00", "^"),
    "dada": ("#009e73", "P"),
    "adda": ("#cc79a7", "X"),
    "cadda": ("#f0e442", "<"),
    "fasteraa": ("#000000", ">"),
    "fastaa": ("#009e73", "*"),
    "autoaugment": ("#cc79a7", "p"),
    "randaugment": ("#f0e442", "h"),
}
OTHER_COLOURS = ["#009e73", "#cc79a7", "#f0e442", "#000000"]
OTHER_MARKERS = ["d", "8", "H"]

# Not those of a method that stands beside them.
TRUE_COLOUR = "#009e73"
FALSE_COLOUR = "#cc79a7"


def method_name(method):
    """Name of a method in words."""
    return NAMES.get(method, method)


def averaging_name(method, averaging):
    """Say how a method predicts, in words."""
    if averaging == "averaged":
        return FOREIGN_COPIES.get(method, AVERAGING_NAMES[averaging])
    return AVERAGING_NAMES[averaging]


def sort_methods(methods):
    """Each method once: controls first, then the learners, then others by name."""
    known = list(NAMES)
    return sorted(set(methods), key=lambda m: (known.index(m) if m in NAMES else len(known), m))


def method_styles(methods):
    """Colour and marker of each method, as keyword arguments of matplotlib."""
    styles, n_others = {}, 0
    for method in sort_methods(methods):
        if method in STYLES:
            colour, marker = STYLES[method]
        else:
            colour = OTHER_COLOURS[n_others % len(OTHER_COLOURS)]
            marker = OTHER_MARKERS[n_others % len(OTHER_MARKERS)]
            n_others += 1
        styles[method] = {"color": colour, "marker": marker}
    return styles


def with_unit(value, unit, digits=2):
    """Value and unit as text; plain numbers have the unit "1", which is not written."""
    return f"{value:.{digits}g}" + ("" if unit == "1" else f" {unit}")


def subjects_text(n_subjects):
    """Write a number of training subjects in words."""
    return f"{n_subjects} training subject{'' if n_subjects == 1 else 's'}"
