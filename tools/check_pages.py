"""Check the built documentation: every page is ours, and every link inside it leads somewhere.

python tools/check_pages.py doc/_build/html
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Written by Sphinx itself. Its search page cannot be told from one of ours by its links.
GENERATED = ("genindex.html", "py-modindex.html", "search.html")


class Page(HTMLParser):
    """Anchors, links and the first heading of a page."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.heading = set(), [], None
        self._in_heading = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Collect what the tag says."""
        values = dict(attributes)
        self.anchors.update(values[name] for name in ("id", "name") if values.get(name))
        for name in ("href", "src"):
            if values.get(name):
                self.links.append(values[name])
        if tag == "h1" and self.heading is None:
            self.heading, self._in_heading = "", True

    def handle_endtag(self, tag):
        """Stop at the end of the heading."""
        self._in_heading = self._in_heading and tag not in ("h1", "a")

    def handle_data(self, data):
        """Collect the text of the heading."""
        if self._in_heading and data != "#":
            self.heading += data


def broken_links(folder):
    """Name the links to pages, files and anchors that do not exist.

    Parameters
    ----------
    folder : Path
        The built pages.

    Returns
    -------
    problems : list of str
        One line for each.
    """
    found = [p for p in folder.rglob("*.html") if p.relative_to(folder).parts[0][0] != "_"]
    pages = {path.resolve(): Page(path.read_text()) for path in sorted(found)}
    problems = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                problems.append(f"{path.relative_to(folder.resolve())}: no file for {link}")
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].anchors:
                    problems.append(f"{path.relative_to(folder.resolve())}: no place for {link}")
    return problems


def foreign_pages(folder, source):
    """Name the pages that do not show their source.

    Sphinx writes some pages itself, and would write them over a page of the same name.

    Parameters
    ----------
    folder : Path
        The built pages.
    source : Path
        The folder of their sources.

    Returns
    -------
    problems : list of str
        One line for each.
    """
    problems = []
    for path in sources(source):
        built = folder / path.relative_to(source).with_suffix(".html")
        if built.name in GENERATED and built.parent == folder:
            problems.append(f"{path}: Sphinx writes a page of its own to {built.name}")
        elif not built.is_file():
            problems.append(f"{path}: there is no {built}")
        else:
            found = Page(built.read_text()).heading
            if _plain(found or "") != _plain(title(path)):
                problems.append(f"{path}: its page has the heading {found!r}")
    return problems


def sources(folder):
    """Return the pages that are written by hand, sorted."""
    made = ("_", "auto_examples", "generated", "sg_execution_times")
    return sorted(
        p for p in folder.rglob("*.rst") if not str(p.relative_to(folder)).startswith(made)
    )


def title(path):
    """Return the title of a source."""
    match = re.search(r"^(?P<title>\S.*)\n(?P<line>[=])(?P=line)+$", path.read_text(), re.MULTILINE)
    if match is None:
        raise ValueError(f"{path} has no title underlined with =.")
    return match["title"]


def _plain(text):
    """Letters and digits only, as quotation marks and the like are replaced in pages."""
    return re.sub(r"[\W_]+", " ", text).strip()


def main(arguments):
    """Print the problems; return the exit status."""
    folder = Path(arguments[0])
    source = Path(arguments[1]) if len(arguments) > 1 else folder.parents[1]
    problems = [*foreign_pages(folder, source), *broken_links(folder)]
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems in the pages of {folder}.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
