"""The documentation: its code runs, its messages are the package's, and its pages can be read."""

import ast
import doctest
import importlib.util
import re
import sys
import types
from pathlib import Path

import mne
import pytest
import torch
from battery import CHECKS
from sphinx.domains.std import StandardDomain

from eeginv import AugNet
from eeginv.transforms import REGISTRY

ROOT = Path(__file__).resolve().parents[1]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def load_checker():
    spec = importlib.util.spec_from_file_location("check_pages", ROOT / "tools" / "check_pages.py")
    checker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    return checker


CHECKER = load_checker()
PAGES = {str(p.relative_to(ROOT / "doc").with_suffix("")): p for p in CHECKER.sources(ROOT / "doc")}
# Pages whose examples run in tests of their own.
ELSEWHERE = ("reference/transforms", "user_guide/cluster")
# The pages for users have no code that does not run.
GUIDE = [name for name in PAGES if name.startswith(("getting_started/", "user_guide/"))]


def run_page(path):
    """Run the examples of a page; return what they define, and how many there were and failed."""
    page = doctest.DocTestParser().get_doctest(path.read_text(), {}, path.name, str(path), 0)
    page.globs["__name__"] = module = f"{path.parent.name}_{path.stem}_page"
    # where pytest logs MNE's warnings, MNE prints them too, among them those for Braindecode
    with mne.use_log_level("error"):
        outcome = doctest.DocTestRunner(optionflags=FLAGS).run(page, clear_globs=False)
    sys.modules[module] = types.ModuleType(module)  # where pickle looks for classes
    vars(sys.modules[module]).update(page.globs)
    return page.globs, outcome


def code_blocks(text, language):
    """Return the blocks of a page in a language, without their indent."""
    pattern = rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    blocks = re.findall(pattern, text + "\n", re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() for block in blocks]


# code -----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def transforms_page():
    return run_page(PAGES["reference/transforms"])


@pytest.mark.parametrize("name", [n for n in PAGES if n not in ELSEWHERE])
def test_examples_run(name):
    assert run_page(PAGES[name])[1].failed == 0


def test_examples_of_the_transforms_page_run(transforms_page):
    assert transforms_page[1].failed == 0
    assert transforms_page[1].attempted > 10


def test_the_guide_has_examples():
    attempted = {name: ">>> " in PAGES[name].read_text() for name in GUIDE}
    without = {name for name, has_some in attempted.items() if not has_some}
    in_words_only = {"index", "install", "which_method", "troubleshooting", "glossary"}
    assert {name.rpartition("/")[2] for name in without} <= in_words_only


def test_python_in_the_guide_and_on_the_front_page_runs():
    # what remains on a page of ELSEWHERE needs more than this machine, such as a batch system
    names = [name for name in GUIDE if name not in ELSEWHERE]
    blocks = {name: code_blocks(PAGES[name].read_text(), "python") for name in [*names, "index"]}
    assert len(blocks["index"]) == 1
    for name, block in [(name, block) for name, found in blocks.items() for block in found]:
        # the front page trains for a minute; here with less
        block = block.replace("hours=1,", "hours=0.5,").replace("max_epochs=10", "max_epochs=2")
        exec(compile(block, name, "exec"), {})


def test_quick_start_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    smaller = block.replace("hours=1,", "hours=0.5,").replace("max_epochs=10", "max_epochs=2")
    assert smaller.count("hours=0.5") == smaller.count("max_epochs=2") == 1
    exec(compile(smaller, "README.md", "exec"), {})
    assert (tmp_path / "policy.png").stat().st_size > 0


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["LineNoise", "ChannelsFlip"])
def test_battery_runs_over_the_transforms_of_the_page(check, name, transforms_page):
    cls = transforms_page[0][name]
    check(lambda: cls(sfreq=200.0) if name == "LineNoise" else cls())


def test_a_class_of_ones_own_needs_no_registry(transforms_page):
    augmentation = AugNet([transforms_page[0]["LineNoise"](sfreq=200.0, magnitude=0.5)])
    X = torch.zeros(8, 2, 400)
    assert "LineNoise" not in REGISTRY
    assert not torch.equal(augmentation(X), X)
    assert augmentation.policy().entries[0].transform == "LineNoise"


# messages -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def messages():
    """Strings of the package as lists of parts, None where something is filled in."""
    found = []
    for path in sorted((ROOT / "eeginv").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", None) for part in node.values]
                found.append([part if isinstance(part, str) else None for part in parts])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append([node.value])
    return [parts for parts in found if not any("\n" in part for part in parts if part)]


def agrees(text, parts):
    """Whether a text is a message with something filled in, most of it written by the package."""
    enough = sum(len(part) for part in parts if part) >= 15
    pattern = "".join("(.*)" if part is None else re.escape(part) for part in parts)
    return enough and re.fullmatch(pattern, text) is not None


def is_written(quote, messages):
    """Whether a message is one of the package; [...] at its end leaves out the rest."""
    start, cut, _ = quote.partition("[...]")
    start = start.strip()
    for parts in messages:
        if not cut and agrees(start, parts):
            return True
        for i, part in enumerate(parts if cut else []):
            # cut off where the quote ends, which is in text that the package writes
            ends = [k for k in range(1, len(part or "") + 1) if start.endswith(part[:k][-8:])]
            if any(agrees(start, [*parts[:i], part[:k]]) for k in ends):
                return True
    return False


def test_messages_of_the_troubleshooting_page_are_those_of_the_package(messages):
    quotes = code_blocks(PAGES["user_guide/troubleshooting"].read_text(), "text")
    assert len(quotes) > 20
    assert [quote for quote in quotes if not is_written(quote, messages)] == []


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("X has 4 channels, but InvariantClassifier was fitted with 2.", True),
        ("X has 4 channels, but InvariantClassifier was trained on 2.", False),
        ("Unknown backbone 'EEGNetV5'. [...]", True),
        ("Unknown network 'EEGNetV5'. [...]", False),
    ],
)
def test_other_messages_are_told_apart(quote, expected, messages):
    assert is_written(quote, messages) == expected


# pages ----------------------------------------------------------------------------------------
def test_no_page_has_a_name_that_sphinx_takes():
    taken = {name for name, *_ in StandardDomain.initial_data["labels"].values()}
    assert {"search", "genindex", "py-modindex"} <= taken
    assert {f"{name}.html" for name in taken} == set(CHECKER.GENERATED)
    assert taken.isdisjoint(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_links_and_tables_of_contents_name_pages(name):
    """Sphinx takes what it does not know in a table of contents for a page of its own."""
    text = PAGES[name].read_text()
    linked = re.findall(r":link: (\S+)\n\s+:link-type: doc", text)
    for block in re.findall(r"^\.\. toctree::\n((?:   .*\n|\n)+)", text + "\n", re.MULTILINE):
        entries = [line.strip() for line in block.splitlines()]
        linked += [re.sub(r".*<(.*)>", r"\1", e) for e in entries if e and e[0] != ":"]
    linked += re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`", text)
    # pages of examples are made when the documentation is built
    made = {page for page in linked if page.lstrip("/").startswith("auto_examples/")}
    stems = {page.rpartition("/")[2] for page in made} - {"index"}
    assert [stem for stem in stems if not (ROOT / "examples" / f"{stem}.py").is_file()] == []
    linked = [page for page in linked if page not in made]
    folder = (ROOT / "doc" / name).parent
    paths = [ROOT / "doc" / e[1:] if e[0] == "/" else folder / e for e in linked]
    assert [path.name for path in paths if not path.with_suffix(".rst").is_file()] == []


def test_every_page_is_reached_from_the_front_page():
    reached, waiting = set(), ["index"]
    while waiting:
        name = waiting.pop()
        if name in PAGES and name not in reached:
            reached.add(name)
            section = name.rpartition("/")[0]
            for line in PAGES[name].read_text().splitlines():
                entry = re.fullmatch(r"   (?:.*<)?(/?[a-z_/]+)>?", line)
                if entry:
                    page = entry[1]
                    waiting.append(page[1:] if page[0] == "/" else f"{section}/{page}".strip("/"))
    assert reached == set(PAGES)


def build(folder, **pages):
    """Write a source and a built page for each name."""
    source, built = folder / "doc", folder / "html"
    for place in (source, built):
        place.mkdir()
    for name, (heading, shown, body) in pages.items():
        (source / f"{name}.rst").write_text(f"{heading}\n{'=' * len(heading)}\n")
        html = f'<h1 id="top">{shown}<a href="#top">#</a></h1>{body}'
        (built / f"{name}.html").write_text(html)
    return built, source


def test_checker_accepts_sound_pages(tmp_path):
    link = '<a href="other.html#top">there</a> <a href="https://elsewhere.org/x">away</a>'
    pages = {"index": ("What's new", "What\u2019s new", link), "other": ("Other", "Other", "")}
    built, source = build(tmp_path, **pages)
    assert CHECKER.main([str(built), str(source)]) == 0


def test_checker_names_what_is_wrong(tmp_path, capsys):
    links = '<a href="lost.html">x</a><a href="other.html#lost">x</a><img src="lost.png">'
    pages = {"index": ("Front", "Front", links), "other": ("Other", "Search", "")}
    built, source = build(tmp_path, **pages, search=("Policy search", "Policy search", ""))
    assert CHECKER.main([str(built), str(source)]) == 1
    said = capsys.readouterr().out
    assert "no file for lost.html" in said
    assert "no file for lost.png" in said
    assert "no place for other.html#lost" in said
    assert "other.rst: its page has the heading 'Search'" in said
    assert "search.rst: Sphinx writes a page of its own to search.html" in said
    assert "5 problems" in said
