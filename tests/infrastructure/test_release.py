"""Which release is running: its version, and the commit that it was made from."""

import json
import subprocess
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from application.release import Release
from infrastructure.release import build_of, build_of_installation, this_release
from infrastructure.settings import SettingInvalidError

COMMIT = "c2eaace4f1d2b3a495867788990011223344aabb"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "checkout"
    git(tmp_path, "init", "--quiet", str(folder))
    (folder / "rules.py").write_text("1\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Begin")
    return folder


def git(folder: Path, *arguments: str) -> str:
    nobody = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *nobody, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def installed_from(folder: Path, record: object) -> Distribution:
    """An installation with what pip wrote down about it."""
    (folder / "METADATA").write_text("Name: reprise\nVersion: 7.1\n")
    (folder / "direct_url.json").write_text(json.dumps(record))
    return Distribution.at(folder)


def test_a_checkout_knows_its_commit(checkout: Path, tmp_path: Path) -> None:
    build = build_of({}, checkout, tmp_path / "none")

    assert build == git(checkout, "rev-parse", "HEAD")[:12]


def test_a_checkout_with_changed_files_says_so(checkout: Path, tmp_path: Path) -> None:
    (checkout / "rules.py").write_text("2\n")

    assert build_of({}, checkout, tmp_path / "none") == git(checkout, "rev-parse", "HEAD")[:12] + "-dirty"


def test_a_tag_does_not_take_the_place_of_the_commit(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "tag", "v9", "--message", "Nine")

    assert build_of({}, checkout, tmp_path / "none") == git(checkout, "rev-parse", "HEAD")[:12]


def test_a_hook_of_another_repository_does_not_mislead_it(checkout: Path, tmp_path: Path) -> None:
    assert build_of({"GIT_DIR": str(tmp_path)}, checkout, tmp_path / "none") is not None


def test_an_installation_inside_of_another_repository_is_not_taken_for_it(checkout: Path, tmp_path: Path) -> None:
    packages = checkout / "lib" / "site-packages"
    packages.mkdir(parents=True)

    assert build_of({}, packages, tmp_path / "none") is None


def test_a_checkout_that_git_cannot_read_has_no_build(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")

    assert build_of({}, tmp_path, tmp_path / "none") is None
    assert build_of({"PATH": ""}, tmp_path, tmp_path / "none") is None


def test_a_wheel_has_its_build_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "build.txt"
    file.write_text("c2eaace4f1d2\n")

    assert build_of({}, tmp_path, file) == "c2eaace4f1d2"


def test_an_empty_file_is_no_build(tmp_path: Path) -> None:
    file = tmp_path / "build.txt"
    file.write_text("")

    assert build_of({}, tmp_path, file) is None


def test_the_environment_comes_first(checkout: Path, tmp_path: Path) -> None:
    assert build_of({"REPRISE_BUILD": "2026-11-28.1"}, checkout, tmp_path / "none") == "2026-11-28.1"
    assert build_of({"REPRISE_BUILD": ""}, checkout, tmp_path / "none") is not None


@pytest.mark.parametrize("stated", [" ", "a b", "-x", "<b>", "c2eaace\n", "ä", "x" * 65])
def test_a_build_that_is_no_name_is_refused(stated: str) -> None:
    with pytest.raises(SettingInvalidError, match=r"^REPRISE_BUILD must be 1 to 64 "):
        build_of({"REPRISE_BUILD": stated})


def test_what_pip_installed_from_git_has_the_commit(tmp_path: Path) -> None:
    vcs = {"url": "https://example.com/reprise.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}

    assert build_of_installation(installed_from(tmp_path, vcs)) == COMMIT[:12]


@pytest.mark.parametrize("record", [{}, {"url": "file:///a", "dir_info": {"editable": True}}])
def test_what_pip_installed_otherwise_has_none(tmp_path: Path, record: object) -> None:
    assert build_of_installation(installed_from(tmp_path, record)) is None


def test_a_release_reads_as_one_line() -> None:
    assert str(Release("0.1.0", "c2eaace4f1d2")) == "0.1.0 (build c2eaace4f1d2)"
    assert str(Release("0.1.0")) == "0.1.0"


def test_this_release_has_a_version_and_the_build_that_is_stated() -> None:
    assert this_release({"REPRISE_BUILD": "abc"}).build == "abc"
    assert this_release({}).version[0].isdigit()
