"""Files of the repository that say the same thing in two places agree."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def requirements(root):
    """Requirements of the package itself, by name."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    found = [Requirement(text) for text in project["dependencies"]]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def pins(path):
    """Versions of a file of constraints, by name."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def test_oldest_versions_are_the_lower_bounds(root):
    oldest = pins(root / "oldest.txt")
    for name, requirement in requirements(root).items():
        bounds = [s.version for s in requirement.specifier if s.operator == ">="]
        assert len(bounds) == 1, f"{requirement.name} needs one lower bound"
        if name != "torch":  # another build of it is a download of gigabytes
            zeros = re.compile(r"(\.0)+$")
            assert zeros.sub("", oldest[name]) == zeros.sub("", bounds[0]), name


@pytest.mark.parametrize("name", ["oldest.txt", "constraints.txt"])
def test_pinned_versions_are_supported(root, name):
    pinned = pins(root / name)
    for package, requirement in requirements(root).items():
        assert requirement.specifier.contains(pinned[package]), package


def test_every_optional_dependency_is_pinned(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    pinned = pins(root / "constraints.txt")
    for names in project["optional-dependencies"].values():
        assert {canonicalize_name(name) for name in names} <= set(pinned)


def test_pre_commit_runs_what_make_lint_runs(root):
    makefile = (root / "Makefile").read_text()
    rule = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    linters = [line.strip().replace("$(BIN)", ".venv/bin") for line in rule.splitlines()]
    config = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert [hook["entry"] for hook in hooks] == linters
    assert not any(hook["pass_filenames"] for hook in hooks)


def test_workflow_covers_the_python_versions_of_the_package(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: "
    versions = [c.removeprefix(prefix) for c in project["classifiers"] if c.startswith(prefix)]
    workflow = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())
    newest = workflow["jobs"]["newest"]
    assert newest["strategy"]["matrix"]["python"] == [v for v in versions if "." in v]
    assert [step["run"] for step in newest["steps"] if "run" in step] == [".ci/run"]
    commands = [step["run"] for step in workflow["jobs"]["oldest"]["steps"] if "run" in step]
    assert commands == ["make oldest"]


@pytest.mark.parametrize("name", ["bug_report", "feature_request", "question"])
def test_issue_templates_are_complete(root, name):
    template = yaml.safe_load((root / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert {"name", "description", "body"} <= set(template)
    asked = [part for part in template["body"] if part["type"] != "markdown"]
    assert all(part["attributes"]["label"] for part in asked)
    assert len({part["id"] for part in asked}) == len(asked)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(root, name):
    links = re.findall(r"\]\(([^)#]+)", (root / name).read_text())
    inside = [link for link in links if "://" not in link]
    assert inside
    assert [link for link in inside if not (root / link).is_file()] == []
