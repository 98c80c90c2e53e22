"""A new area is one folder in each layer, and one line in each list that concerns it (CONTRIBUTING, *How to add*).

The area `badges` in tests/support/badges is built into a copy of the program, and its tests are run there.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
AREA = CHECKOUT / "tests" / "support" / "badges"
PARTS = ("domain", "application", "infrastructure", "api", "tests", "pyproject.toml")
REGISTERED = {
    "domain/aggregates.py": (
        "from domain.kernel",
        "from domain.badges.badge import Badge",
    ),
    "application/read_models.py": (
        "from application.history",
        "from application.badges.badges import BADGES",
    ),
    "infrastructure/area_ports.py": (
        "from infrastructure.history",
        "from infrastructure.badges import ports as badges",
    ),
    "api/routes.py": (
        "from api.history",
        "from api.badges.controllers.badges import BadgesController",
    ),
    "api/cli/__init__.py": (
        '    "run":',
        '    "badges": ("api.badges.cli.badges:badges", "Show badges."),',
    ),
    "pyproject.toml": (
        '    "(users)",',
        '    "(badges)",',
    ),
}
"""By file, the line that is added, and the beginning of the one before which it stands."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with the area in it."""
    folder = tmp_path_factory.mktemp("with-badges")
    for part in PARTS:
        source = CHECKOUT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "badges"))
        else:
            shutil.copy(source, folder / part)
    shutil.copytree(AREA, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (before, line) in REGISTERED.items():
        register(folder / name, before, line)
    return folder


def register(path: Path, before: str, line: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    place = next(number for number, each in enumerate(lines) if each.startswith(before))
    path.write_text("\n".join([*lines[:place], line, *lines[place:], ""]), encoding="utf-8")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    # Not those of this run: it is a run of its own, in one process.
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_new_area_takes_one_line_in_each_list_and_works(copy: Path) -> None:
    ended = run(copy, "-m", "pytest", "-q", "-n0", "tests/badges")

    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    assert "2 passed" in ended.stdout


def test_a_new_area_keeps_to_the_contracts(copy: Path) -> None:
    entry = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

    ended = run(copy, "-c", entry)

    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
