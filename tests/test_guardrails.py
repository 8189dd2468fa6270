"""Rules of the design that a parser can check."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "eeginv"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]

MAX_LINES = 450
# Folders beside the package whose files are as short.
ALSO_SHORT = ["benchmarks", "examples", "tests", "tools"]

# A room imports itself and the rooms above it.
ROOMS = [
    "transforms",
    "policy",
    "augmentation",
    "adapters",
    "exportable",
    "invariant",
    "estimators",
    "search",
    "inspection",
    "datasets",
    "viz",
    "benchmark",
    "use",
    "cli",
]
# The arrows that point the other way, allowed inside a function: Policy.plot draws itself.
UPWARD_INSIDE_FUNCTIONS = {("policy", "viz")}

# Rooms whose __init__ loads nothing, so that the package's own can read their registry.
LAZY_ROOMS = {"search"}

NUMPY_GENERATORS = {"BitGenerator", "Generator", "PCG64", "RandomState", "SeedSequence"}
NUMPY_GENERATORS.add("default_rng")
# Functions of torch that draw from the global generator unless they are given one.
TORCH_DRAWS = {"bernoulli", "multinomial", "normal", "poisson", "rand", "randint", "randn"}
TORCH_DRAWS |= {"rand_like", "randint_like", "randn_like", "randperm"}
# The rooms whose draws come from a generator of their own. Those above them train networks, which
# draw from the global generator anyway, and isolate it as a whole.
OWN_GENERATORS = {"transforms", "policy", "augmentation", "exportable", "invariant"}
# Functions of torch that move the global generator, or that read or write its state.
TORCH_GLOBAL = {"manual_seed", "seed", "initial_seed", "set_rng_state", "get_rng_state"}
TORCH_GLOBAL |= {"default_generator", "fork_rng", "manual_seed_all"}
# The one file that may: it puts the state back as it was.
MAY_SEED_TORCH = "eeginv/_randomness.py"


def dotted(node):
    """Return the dotted name of an attribute, such as ``np.random.rand``; "" if it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        front = dotted(node.value)
        return f"{front}.{node.attr}" if front else ""
    return ""


def imports(path, tree):
    """Yield line number, absolute module name and whether it is inside a function."""
    # A package is the parent of its own relative imports, another file's parent is its folder.
    package = ["eeginv", *path.relative_to(PACKAGE).parts[:-1]]

    def walk(node, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield child.lineno, alias.name, inside
            elif isinstance(child, ast.ImportFrom):
                base = package[: len(package) - child.level + 1] if child.level else []
                module = ".".join([*base, *([child.module] if child.module else [])])
                for alias in child.names:
                    # "from eeginv import policy" imports a room as well.
                    yield child.lineno, f"{module}.{alias.name}", inside
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from walk(child, inside or function)

    yield from walk(tree, False)


def room_of(path):
    """Return the room that a file is in, None for the files beside the rooms."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if first == "__main__":
        return "cli"
    return first if first in ROOMS else None


def asserts(path, tree):
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def global_randomness(path, tree):
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            if re.match(r"(np|numpy)\.random\.", name):
                if name.split(".")[2] not in NUMPY_GENERATORS:
                    found.append((node.lineno, name))
            elif name.startswith("torch.") and node.attr in TORCH_GLOBAL:
                if path != ROOT / MAY_SEED_TORCH:
                    found.append((node.lineno, name))
        if isinstance(node, ast.Call) and room_of(path) in OWN_GENERATORS:
            name = dotted(node.func)
            given = {keyword.arg for keyword in node.keywords}
            if name in {f"torch.{draw}" for draw in TORCH_DRAWS}:
                # None stands for **options, where the generator may be.
                if not given & {"generator", None}:
                    found.append((node.lineno, f"{name} without generator="))
    for line, module, _ in imports(path, tree):
        if module == "random" or module.startswith("random."):
            found.append((line, "random of the standard library"))
        elif module.startswith("numpy.random."):
            if module.split(".")[2] not in NUMPY_GENERATORS:
                found.append((line, module))
    return found


def upward_imports(path, tree):
    room = room_of(path)
    found = []
    for line, module, inside in imports(path, tree):
        parts = module.split(".")
        if parts[0] != "eeginv" or len(parts) < 2 or parts[1] not in ROOMS:
            continue
        if room is None:
            # The package's own __init__ is lazy; private files beside the rooms stand below all.
            is_lazy = inside or parts[1] in LAZY_ROOMS
            if not (path == PACKAGE / "__init__.py" and is_lazy):
                found.append((line, module))
        elif ROOMS.index(parts[1]) > ROOMS.index(room):
            if not (inside and (room, parts[1]) in UPWARD_INSIDE_FUNCTIONS):
                found.append((line, module))
    return found


def foreign_to_transforms(path, tree):
    if room_of(path) != "transforms":
        return []
    found = []
    for line, module, inside in imports(path, tree):
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top in {"torch", "lazy_loader"}:
            continue
        if module.startswith("eeginv.transforms"):
            continue
        # Named in annotations only.
        if module == "numpy.typing.ArrayLike":
            continue
        # Channel positions come from MNE, only where they are asked for.
        if top == "mne" and path.name == "montage.py" and inside:
            continue
        found.append((line, module))
    return found


def too_long(path, tree):
    n_lines = len(path.read_text().splitlines())
    return [f"{n_lines} lines"] if n_lines > MAX_LINES else []


RULES = [asserts, global_randomness, upward_imports, foreign_to_transforms, too_long]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
@pytest.mark.parametrize("rule", RULES)
def test_package_keeps(rule, path):
    assert rule(path, ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (asserts, "policy.py", "assert x"),
        (global_randomness, "policy.py", "np.random.rand(3)"),
        (global_randomness, "policy.py", "f(rng=numpy.random.mtrand._rand)"),
        (global_randomness, "policy.py", "from numpy.random import rand"),
        (global_randomness, "policy.py", "import random"),
        (global_randomness, "policy.py", "from random import shuffle"),
        (global_randomness, "policy.py", "torch.manual_seed(0)"),
        (global_randomness, "policy.py", "torch.cuda.manual_seed_all(0)"),
        (global_randomness, "policy.py", "torch.rand(3)"),
        (upward_imports, "transforms/base.py", "from eeginv.policy import Policy"),
        (upward_imports, "transforms/base.py", "from ..policy import Policy"),
        (upward_imports, "transforms/base.py", "from .. import policy"),
        (upward_imports, "policy.py", "from eeginv import viz"),
        (upward_imports, "policy.py", "def f():\n    import eeginv.estimators"),
        (upward_imports, "_randomness.py", "import eeginv.policy"),
        (upward_imports, "__init__.py", "from eeginv.policy import Policy"),
        (upward_imports, "policy.py", "from eeginv.search import SEARCHES"),
        (foreign_to_transforms, "transforms/base.py", "import numpy as np"),
        (foreign_to_transforms, "transforms/base.py", "from .._randomness import draw"),
        (foreign_to_transforms, "transforms/montage.py", "import mne"),
    ],
)
def test_rule_finds(rule, path, code):
    assert rule(PACKAGE / path, ast.parse(code)) != []


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (global_randomness, "policy.py", "np.random.default_rng(0).normal()"),
        (global_randomness, "policy.py", "isinstance(x, np.random.RandomState)"),
        (global_randomness, "policy.py", "torch.rand(3, generator=g)"),
        (global_randomness, "policy.py", "torch.randn(3, **options)"),
        (global_randomness, "search/ddas.py", "torch.randperm(3)"),
        (global_randomness, "policy.py", "generator.manual_seed(0)"),
        (global_randomness, "_randomness.py", "torch.manual_seed(0)"),
        (upward_imports, "estimators/base.py", "from ..transforms import Transform"),
        (upward_imports, "policy.py", "def f():\n    from .viz import plot_policy"),
        (upward_imports, "policy.py", "from eeginv._randomness import fork"),
        (upward_imports, "__init__.py", "from eeginv.search import SEARCHES"),
        (foreign_to_transforms, "transforms/base.py", "import math\nfrom torch import nn"),
        (foreign_to_transforms, "transforms/base.py", "from .draws import Draws"),
        (foreign_to_transforms, "transforms/base.py", "from numpy.typing import ArrayLike"),
        (foreign_to_transforms, "transforms/montage.py", "def f():\n    import mne.channels"),
        (foreign_to_transforms, "policy.py", "import numpy as np"),
    ],
)
def test_rule_accepts(rule, path, code):
    assert rule(PACKAGE / path, ast.parse(code)) == []


def test_no_file_beside_the_package_is_too_long():
    paths = [path for folder in ALSO_SHORT for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len({path.relative_to(ROOT).parts[0] for path in paths}) == len(ALSO_SHORT)
    found = {str(path.relative_to(ROOT)): too_long(path, None) for path in paths}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_file_that_is_too_long_is_found(tmp_path):
    path = tmp_path / "long.py"
    path.write_text("\n" * MAX_LINES)
    assert too_long(path, None) == []
    path.write_text("\n" * (MAX_LINES + 1))
    assert too_long(path, None) == [f"{MAX_LINES + 1} lines"]


def test_no_path_of_one_machine_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("needs a git checkout")
    # Not part of a longer word, of an address, or of a relative path.
    place = re.compile(rb"(?<![\w.~/-])/(?:home|root|Users|work|scratch)/\w")
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if place.search(line):
                found.append(f"{name}:{number}")
    assert found == []
