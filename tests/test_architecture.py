"""The house keeps its shape: circles, pure rooms, venue names, public faces, mirrored tests. Floors: import-linter."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tapewire

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "tapewire"

MAX_FUNCTION_LINES = 50

# Rooms that may say a venue's name. All others look venues up in the registry, `cli` and `app` among them.
ROOMS_THAT_NAME_VENUES = ("venues/", "sandbox/faces/")

# "stake" is also what a bettor puts on an outcome: only the name and the lookup key count as the venue.
VENUE_NAMES = re.compile(
    r"""(?<![A-Za-z0-9])(?: (?i:stx) | (?i:sx[ _]?bet) | (?i:weex) | Stake | STAKE | ["']stake["'] | stake\.com |
    venues[./]stake )(?![A-Za-z0-9])""",
    re.VERBOSE,
)

# No clocks, tasks, sockets, threads or dice: time and chance are arguments here.
PURE_ROOMS = ("protocols/", "book/", "model/")
PURE_FILES = ("machine.py", "subscriptions.py", "holds.py")  # of session/
IMPURE_MODULES = (
    "asyncio", "concurrent", "logging.config", "multiprocessing", "random", "select", "selectors", "signal", "socket",
    "ssl", "subprocess", "threading", "time",
)  # fmt: skip
CLOCK_READINGS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}

# Each file here, and each file of floor 1 (those beside `tapewire/__init__.py`), has a test file of its own.
MIRRORED_ROOMS = ("protocols/", "transport/", "book/", "session/")


def fail_on(found: list[str]) -> None:
    """Name all offenders at once; pytest's own comparison of lists shows the first."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def python_files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(folder.rglob("*.py"))


def inside(file: Path) -> str:
    """The path as the house has it: `session/driver.py`."""
    return file.relative_to(SRC).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    length = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        first = function.body[0]
        assert first.end_lineno is not None
        length -= first.end_lineno - first.lineno + 1
    return length


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def clock_readings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if (owner, node.attr) in CLOCK_READINGS:
                yield node.lineno, f"{owner}.{node.attr}"


def is_pure(path: str) -> bool:
    return path.startswith(PURE_ROOMS) or path in {f"session/{name}" for name in PURE_FILES}


def own_exports(tree: ast.Module) -> set[str]:
    """The public names a package's `__init__.py` defines, or takes from inside the package."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return {name for name in names if not name.startswith("_")}


def modules() -> list[str]:
    found = pkgutil.walk_packages(tapewire.__path__, "tapewire.")
    return ["tapewire", *(module.name for module in found if not module.name.endswith("__main__"))]


def imports_of(module: str, file: Path, known: set[str]) -> set[str]:
    """The modules of ours that it imports, for types only and inside functions too."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            names = (f"{base}.{alias.name}" for alias in node.names)
            found |= {name if name in known else base for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known - {module}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules each of which reaches all the others (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == index[module]:
            circle = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for module in graph:
        if module not in index:
            visit(module)
    return found


def import_graph() -> dict[str, set[str]]:
    files = {
        ".".join(("tapewire", *file.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__"): file
        for file in python_files(SRC)
    }
    return {module: imports_of(module, file, set(files)) for module, file in files.items()}


def test_no_modules_import_each_other_in_a_circle() -> None:
    found = [[module.removeprefix("tapewire.") for module in circle] for circle in circles(import_graph())]
    fail_on([", ".join(circle) for circle in found])


def test_a_circle_is_seen_through_a_third_module() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_each_file_that_a_docstring_or_a_comment_names_is_there() -> None:
    known = [
        file.as_posix() for folder in (SRC, ROOT / "tests", ROOT / "scripts") for file in python_files(folder)
    ]
    gone = [
        f"{inside(file)}: {name}"
        for file in python_files(SRC)
        for name in re.findall(r"`([a-z_/]+\.py)`", file.read_text("utf-8"))
        if not any(path.endswith(f"/{name}") for path in known)
    ]
    fail_on(gone)


def test_no_function_is_longer_than_50_lines_without_its_docstring() -> None:
    too_long = [
        f"{file.relative_to(ROOT)}:{function.lineno} {function.name}: {length_without_docstring(function)} lines"
        for file in python_files(SRC, ROOT / "drop_in")
        for function in functions(ast.parse(file.read_bytes()))
        if length_without_docstring(function) > MAX_FUNCTION_LINES
    ]
    fail_on(too_long)


def test_a_venue_is_named_only_in_its_own_rooms() -> None:
    named = [
        f"{inside(file)}:{number}: {line.strip()}"
        for file in python_files(SRC)
        if not inside(file).startswith(ROOMS_THAT_NAME_VENUES)
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if VENUE_NAMES.search(line)
    ]
    fail_on(named)


@pytest.mark.parametrize(
    ("line", "names_a_venue"),
    [
        ("connect to STX", True),
        ("stx_url = ...", True),
        ("the SX Bet face", True),
        ('registry["stake"]', True),
        ("from tapewire.venues.weex import url", True),
        ("the Stake page", True),
        ("stake: Decimal  # what the bettor puts on the outcome", False),
        ("a mistake in the context", False),
    ],
)
def test_a_venue_name_is_told_from_ordinary_words(line: str, names_a_venue: bool) -> None:
    assert bool(VENUE_NAMES.search(line)) is names_a_venue


def test_pure_rooms_import_no_clock_no_task_no_socket_and_no_chance() -> None:
    impure = [
        f"{inside(file)}:{line}: {module}"
        for file in python_files(SRC)
        if is_pure(inside(file))
        for line, module in imported_modules(ast.parse(file.read_bytes()))
        if any(module == banned or module.startswith(f"{banned}.") for banned in IMPURE_MODULES)
    ]
    fail_on(impure)


def test_pure_rooms_read_no_calendar_either() -> None:
    readings = [
        f"{inside(file)}:{line}: {reading}"
        for file in python_files(SRC)
        if is_pure(inside(file))
        for line, reading in clock_readings(ast.parse(file.read_bytes()))
    ]
    fail_on(readings)


@pytest.mark.parametrize("name", modules())
def test_every_name_in_all_exists_once(name: str) -> None:
    module = importlib.import_module(name)
    public = list(getattr(module, "__all__", []))
    assert sorted(set(public)) == sorted(public)
    assert [name for name in public if not hasattr(module, name)] == []


def test_all_of_a_package_is_what_it_exports() -> None:
    different = {}
    for file in python_files(SRC):
        if file.name == "__init__.py":
            exported = own_exports(ast.parse(file.read_bytes()))
            name = ".".join(("tapewire", *file.relative_to(SRC).parent.parts))
            unlisted = exported - set(getattr(importlib.import_module(name), "__all__", ()))
            if unlisted:
                different[name] = sorted(unlisted)
    assert different == {}, "exported but not in __all__"


def test_every_file_of_the_mirrored_rooms_has_its_test_file() -> None:
    missing = []
    for file in python_files(SRC):
        path = inside(file)
        floor_one = "/" not in path
        if file.name.startswith("__") or not (floor_one or path.startswith(MIRRORED_ROOMS)):
            continue
        mirror = ROOT / "tests" / file.relative_to(SRC).with_name(f"test_{file.name}")
        if not mirror.exists():
            missing.append(f"{path} -> {mirror.relative_to(ROOT)}")
    fail_on(missing)


def test_no_test_file_mirrors_a_file_that_is_gone() -> None:
    gone = [
        str(test.relative_to(ROOT))
        for room in MIRRORED_ROOMS
        for test in python_files(ROOT / "tests" / room)
        if test.name.startswith("test_") and not any(file.exists() for file in mirrored_by(test))
    ]
    fail_on(gone)


def mirrored_by(test: Path) -> Iterator[Path]:
    """The files it may test: test_client_pushes.py tests client_pushes.py, or a part of client.py."""
    room = SRC / test.parent.relative_to(ROOT / "tests")
    words = test.stem.removeprefix("test_").split("_")
    return (room / f"{'_'.join(words[:count])}.py" for count in range(1, len(words) + 1))
