"""The house stays in order: rooms small, modules short, no circle between rooms, and no name for two things.

What may be otherwise is declared here, with its reason, and a declaration that is of no use any more fails, too.
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from api.cli import COMMANDS

LAYERS = ("api", "application", "domain", "infrastructure")
MODULES_IN_A_ROOM = 20
LINES_OF_A_MODULE = 300
LINES_OF_A_FUNCTION = 30
CHECKOUT = Path(__file__).parents[1]
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

LONG_MODULES = {
    "api/connections/connection.py": "one state machine: whose turn it is on a connection",
    "api/http/problems.py": "one table: every refusal with its status, code and sentence",
    "api/openapi/document.py": "one document, made in one walk over the routes",
    "domain/errors.py": "one tree: everything that the rules can refuse",
    "domain/kernel.py": "the only module of the domain that knows the event-sourcing library",
    "domain/users/user.py": "one aggregate, with all of its events",
    "infrastructure/log/reader.py": "one way from rows to events, which a replay goes by the million",
}
"""Modules of more lines, and why they are one."""
NAMES_OF_SEVERAL = {
    "Failure": "how a command ends; why a readiness check fails",
    "Kind": "of a problem; of what a field says about people",
    "Line": "what an exchange needs of its connection; a line of a file of people",
    "Log": "the port, and the log as programs of others open it, whose name is public",
    "NotFound": "a category of refusals, and how a command ends for it",
    "Outcome": "of a confirmation, of a line, of a commit",
    "Pages": "of the command line, which writes them; of queries, which mark where the next begins",
    "Tally": "of an import; beside the rows of a read model",
    "command_line": "of Reprise; of the embedded server",
    "day": "given to a command; given to a URL",
    "decode": "JSON content; a leaf; an event",
    "encode": "a leaf; an event",
    "instant": "given to a command; given to a URL",
    "main": "of two programs",
    "ports": "of each area, listed in `infrastructure/area_ports.py`",
    "put_on_record": "by who uses the command line; by who sends a request",
}
"""Names that several rooms define, and what each of them means by it. No new ones: a name in two rooms misleads."""
CIRCLES: set[frozenset[str]] = set()
"""Rooms that need each other."""


class Module:
    """A module of the program, looked through once."""

    def __init__(self, path: Path) -> None:
        self.path = path.relative_to(CHECKOUT)
        source = path.read_text(encoding="utf-8")
        self.lines = source.count("\n")
        self.name = ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")
        self.imports: set[str] = set()
        """What it imports: modules, and what may be a module or a name in one."""
        self.functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
        tree = ast.parse(source)
        self.definitions = [node for node in tree.body if isinstance(node, DEFINITIONS) and node.name[0] != "_"]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                self.imports |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                self.imports |= {alias.name for alias in node.names}
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions.append(node)

    @property
    def room(self) -> str:
        """Its folder; but at the root of a layer, what all areas need and what lists all areas stand side by side."""
        folder = str(self.path.parent)
        return str(self.path) if folder in LAYERS else folder


@cache
def modules() -> tuple[Module, ...]:
    """All modules of the program."""
    return tuple(Module(path) for layer in LAYERS for path in sorted((CHECKOUT / layer).rglob("*.py")))


def crowded(paths: Iterable[Path]) -> dict[str, int]:
    """The folders with too many modules."""
    count = Counter(str(path.parent.relative_to(CHECKOUT)) for path in paths if path.name != "__init__.py")
    return {folder: number for folder, number in count.items() if number > MODULES_IN_A_ROOM}


def test_no_room_is_crowded() -> None:
    tests = (path for path in (CHECKOUT / "tests").rglob("*.py") if "support" not in path.parts)

    assert crowded(CHECKOUT / module.path for module in modules()) == {}
    assert crowded(tests) == {}


def test_modules_are_short_but_those_that_are_one_subject() -> None:
    long = {str(module.path) for module in modules() if module.lines > LINES_OF_A_MODULE}

    assert long == set(LONG_MODULES)


def test_a_long_function_says_what_it_promises() -> None:
    silent = [
        f"{module.path}:{function.lineno} {function.name}"
        for module in modules()
        for function in module.functions
        if (function.end_lineno or 0) - function.lineno >= LINES_OF_A_FUNCTION and ast.get_docstring(function) is None
    ]

    assert silent == []


def test_no_two_rooms_need_each_other() -> None:
    assert circles(needs()) == CIRCLES


def needs() -> dict[str, set[str]]:
    """Which rooms each room imports from."""
    room_of = {module.name: module.room for module in modules()}
    found = defaultdict[str, set[str]](set)
    for module in modules():
        found[module.room] |= {room_of[name] for name in module.imports if name in room_of} - {module.room}
    return found


def circles(needed: dict[str, set[str]]) -> set[frozenset[str]]:
    """Rooms each of which is reached from every other, by whatever way (strongly connected components)."""
    reached = {room: _reached(room, needed) for room in needed}
    together = (frozenset(other for other in reached[room] if room in reached.get(other, ())) for room in needed)
    return {group for group in together if len(group) > 1}


def _reached(room: str, needed: dict[str, set[str]]) -> set[str]:
    found, new = set[str](), {room}
    while new:
        found |= new
        new = {further for each in new for further in needed.get(each, ())} - found
    return found


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == {frozenset("bc")}


def test_a_name_stands_for_one_thing() -> None:
    assert shared_names() == set(NAMES_OF_SEVERAL)


def shared_names() -> set[str]:
    """Public names that several rooms define. Commands do not count: they are called what people type."""
    rooms = defaultdict[str, set[str]](set)
    for module in modules():
        for definition in module.definitions:
            if f"{module.name}:{definition.name}" not in commands() and not is_command(definition):
                rooms[definition.name].add(module.room)
    return {name for name, where in rooms.items() if len(where) > 1}


@cache
def commands() -> frozenset[str]:
    """Where the table of commands leads."""
    places = (place for place, _ in COMMANDS.values())
    return frozenset(each for place in places for each in ([place] if isinstance(place, str) else place.values()))


def is_command(definition: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a group of commands has it."""
    return any(ast.unparse(decorator).startswith("app.command") for decorator in definition.decorator_list)


EXAMPLES = {
    "CONTRIBUTING.md": {"infrastructure/badges/ports.py"},
    "api.md": {"application/json", "application/x-ndjson"},
}
"""Files that pages name as examples, and media types, which look like files."""
PAGES = [
    *(page for page in CHECKOUT.glob("*.md") if page.name != "CHANGELOG.md"),  # which says what was
    *(CHECKOUT / "docs").rglob("*.md"),
]
NAMED_FILE = re.compile(r"`((?:api|application|benchmarks|domain|infrastructure|tests)/[\w/.-]+?)/?`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_files_that_are_there(page: Path) -> None:
    named = set(NAMED_FILE.findall(page.read_text(encoding="utf-8")))

    assert {name for name in named if not (CHECKOUT / name).exists()} == EXAMPLES.get(page.name, set())
