"""What is written beside the code for others to follow (workflows, hooks, guides) says what the code says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from scripts.released import complaints, versions
from scripts.versions import VERSIONS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TEST_WORKFLOW = (ROOT / ".github/workflows/test.yml").read_text("utf-8")
GUIDES = ("CONTRIBUTING.md", "SECURITY.md")


def recipe(target: str) -> list[str]:
    """The commands of a target, with what make puts into them."""
    found = re.search(rf"^{target}:[^\n]*\n((?:\t[^\n]*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, target
    commands = found[1].replace("$(BIN)", ".venv/bin").replace("$(wildcard drop_in)", "drop_in")
    return [line.strip() for line in commands.splitlines()]


def test_the_workflow_tests_every_version_that_the_project_is_made_for():
    matrices = [json.loads(found) for found in re.findall(r"python: (\[[^\]]*\])", TEST_WORKFLOW)]
    assert matrices
    assert all(matrix == list(VERSIONS) for matrix in matrices)


def test_the_classifiers_are_the_versions_that_have_passed_as_the_readme_says():
    passed = [found[1] for text in PROJECT["classifiers"] if (found := re.search(r":: (3\.\d+)$", text))]
    assert passed == list(VERSIONS[: len(passed)])
    assert f"tested on {passed[0]} to {passed[-1]}" in (ROOT / "README.md").read_text("utf-8")
    assert PROJECT["requires-python"] == f">={VERSIONS[0]}"


def test_the_hooks_before_a_commit_are_the_checks_of_make():
    hooks = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert hooks == recipe("check-rest") + recipe("check-mypy")
    assert "check-mypy check-rest" in recipe("check")[0]


@pytest.mark.parametrize("file", [*GUIDES, ".github/workflows/test.yml", ".github/workflows/release.yml"])
def test_each_target_of_make_that_is_named_exists(file):
    known = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    text = (ROOT / file).read_text("utf-8")
    named = set(re.findall(r"(?:^|`|run: )make ([a-z][a-z-]+)", text, re.MULTILINE))
    assert named - known == set()


@pytest.mark.parametrize("file", GUIDES)
def test_what_the_guides_name_exists_and_nobody_is_made_up(file):
    text = (ROOT / file).read_text("utf-8")
    named = re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(
        r"`((?:src|tests|docs|scripts|\.\w+)/[\w./-]*)`", text
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert not re.search(r"\w@\w", text), "no address is known to exist"


def test_the_tests_that_the_workflow_names_exist():
    named = re.findall(r"tests/[\w/]+", TEST_WORKFLOW.partition("What is skipped")[0])
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_no_workflow_may_write_anything_but_the_one_that_publishes():
    for file in (ROOT / ".github/workflows").glob("*.yml"):
        granted = re.findall(r"^ +([a-z-]+): write", file.read_text("utf-8"), re.MULTILINE)
        assert granted == (["id-token"] if file.name == "release.yml" else [])
        assert "secrets." not in file.read_text("utf-8")


def test_every_file_names_the_same_version():
    found = versions(ROOT)
    changelog = found.pop("CHANGELOG.md")
    assert set(found.values()) == {PROJECT["version"]}
    assert changelog in (PROJECT["version"], "none"), "a version that is not released yet has no heading"


def test_a_tag_is_not_published_that_any_file_contradicts():
    found = {"pyproject.toml": "1.2.3", "CHANGELOG.md": "1.2.2"}
    assert complaints("v1.2.3", found) == ["CHANGELOG.md names 1.2.2, not v1.2.3"]
    assert complaints("v1.2.2", found) == ["pyproject.toml names 1.2.3, not v1.2.2"]
    assert complaints("v1.2.3", {"pyproject.toml": "1.2.3"}) == []


def test_the_changelog_opens_with_what_can_be_relied_on():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[:2] == ["What you can rely on", "Unreleased"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", heading) for heading in headings[2:])
