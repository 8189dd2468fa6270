"""Sphinx configuration. Builds without network: no intersphinx, no remote fonts or badges."""

import pkgutil
import sys
import warnings
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.ext.autosummary import autosummary_table

import eeginv
from eeginv.exceptions import TorchaudioExtensionWarning

sys.path.insert(0, str(Path(__file__).parent))  # for gallery_order

# Said once to whoever installs; not in the output of the examples.
warnings.filterwarnings("ignore", category=TorchaudioExtensionWarning)
warnings.filterwarnings("ignore", message="Montage name 'standard_10", category=FutureWarning)

project = "eeginv"
author = "The eeginv developers"
copyright = f"2026, {author}"
version = release = eeginv.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "auto_examples/**.ipynb", "auto_examples/**.py"]
default_role = "py:obj"

# Every reference to something of ours has to be found; there is no inventory of other packages.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!eeginv\b).*"), (r"py:mod", r".*")]

autosummary_generate = True
toc_object_entries_show_parents = "hide"
# Members are listed by the template of the class, once.
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    # Made, and documented, by scikit-learn.
    "exclude-members": ", ".join(
        f"set_{method}_request" for method in ("fit", "partial_fit", "predict", "score")
    ),
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("eeginv",),
    "reference_url": {"eeginv": None},
    "within_subsection_order": "gallery_order.place",
    "abort_on_example_error": True,
    "min_reported_time": 1,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "eeginv"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["eeginv.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 5,
}
html_sidebars = {"index": [], "whats_new": []}


def write_transform_table(app):
    """Write the table of transforms that transforms.rst includes."""
    from eeginv.viz import transform_table

    table = transform_table().drop(columns="family").reset_index()
    table["transform"] = [f":class:`~eeginv.transforms.{name}`" for name in table["transform"]]
    table["range"] = table["range"].str.replace(" ", "\N{NO-BREAK SPACE}")
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "transforms.csv", index=False, encoding="utf-8")


def find_documented(app, env, node, contnode):
    """Resolve ``eeginv.AugNet``, say, which the API lists as ``eeginv.augmentation.AugNet``."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("eeginv."):
        return None
    try:
        thing = pkgutil.resolve_name(target)
    except (AttributeError, ImportError):
        return None
    domain = env.domains["py"]
    for name in domain.objects:
        if name.endswith(f".{target.rpartition('.')[2]}") and pkgutil.resolve_name(name) is thing:
            return domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", name, node, contnode
            )
    return None


def drop_citations(app, doctree):
    """Take the marks of citations out of the one-line summaries in the tables of the API."""
    for table in doctree.findall(autosummary_table):
        for mark in list(table.findall(pending_xref)):
            if mark["refdomain"] != "citation":
                continue
            parent, place = mark.parent, mark.parent.index(mark)
            if place and isinstance(parent[place - 1], nodes.Text):
                parent[place - 1] = nodes.Text(parent[place - 1].rstrip())
            parent.remove(mark)


def setup(app):
    """Let Sphinx call what this file defines."""
    app.connect("doctree-read", drop_citations)
    app.connect("missing-reference", find_documented)
    app.connect("builder-inited", write_transform_table)
