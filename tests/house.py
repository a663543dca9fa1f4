"""The rules of the house, measured on the source: `python -m tests.house` prints the figures and what breaks a rule.

A room is a folder of `daemon` or `drivers`, or a file that stands alone in `daemon`. Exit status: 0 every rule holds,
1 one is broken.
"""

import ast
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
MOST_FUNCTION_LINES, MOST_METHODS, MOST_ATTRIBUTES, MOST_FILE_LINES = 44, 24, 14, 399
MOST_WITHOUT_NAME = 6  # values of a frozen class, where it is made: a swap of two strings passes the type checker

FLOORS: tuple[tuple[str, ...], ...] = (
    ("daemon.core", "daemon.durable", "drivers"),
    (
        "drivers.codecs",
        "daemon.client",
        "daemon.clock",
        "daemon.ids",
        "daemon.master_key_files",
        "daemon.pins",
        "daemon.program",
        "daemon.resources",
    ),
    ("drivers.sip", "daemon.version"),
    ("drivers.rtp", "daemon.prompts", "daemon.store"),
    ("daemon.overdue_timers",),
    ("daemon.timers",),
    ("drivers.pyvoip", "drivers.serial", "drivers.simulated", "daemon.engine", "daemon.master_key"),
    ("daemon.config",),
    ("daemon.lanes",),
    ("daemon.operations",),
    ("daemon.api",),
    ("daemon.cli",),
    ("daemon.serving",),
    ("daemon.assembly",),
    ("daemon.start",),
    ("daemon.main",),
)
"""The rooms, the lowest floor first. An import stays in its room or goes down; rooms of one floor do not know each
other."""
SHARED = ("drivers", "drivers.codecs")
"""What the daemon knows of the drivers: their contract with its helpers, and the codecs."""

EXCEPTIONS: Mapping[str, str] = {
    "daemon.cli.demo imports drivers.simulated.listening": (
        "the demo is about the simulated devices: it tells what their recording holds, by the clips that only the"
        " daemon knows"
    ),
}
"""What breaks a rule and stays, as it is printed before its figure, and why."""

DEF = ast.FunctionDef | ast.AsyncFunctionDef
BROAD = ("Exception", "BaseException")
REASON = re.compile(r"#\s*(?:noqa: BLE001(?:\s*-\s*|$))?(.*)$")


@dataclass(frozen=True, slots=True)
class Class:
    """attributes: the fields of a dataclass, and what its methods set on self."""

    where: str
    methods: int
    attributes: int
    frozen: bool


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """One module imports another; at its top, in a function, or for the type checker only."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Broad:
    """An except of everything. reason: its comment, or ""."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Making:
    """A call that may make an object. without_name: how many arguments it gives by their place, one by one."""

    where: str
    name: str
    without_name: int


@dataclass(slots=True)
class House:
    """What was measured: lines of each file, lines of each function, classes, imports, broad excepts, what is made."""

    files: dict[str, int] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)
    classes: list[Class] = field(default_factory=list)
    imports: set[Import] = field(default_factory=set)
    broad: list[Broad] = field(default_factory=list)
    made: list[Making] = field(default_factory=list)


def measured(root: Path) -> House:
    """The figures of `daemon` and `drivers` below a directory."""
    house = House()
    paths = [path for top in ("daemon", "drivers") for path in sorted((root / top).rglob("*.py"))]
    names = {_module(path.relative_to(root)): path for path in paths}
    for module, path in names.items():
        text, place = path.read_text(encoding="utf-8"), str(path.relative_to(root))
        tree = ast.parse(text)
        house.files[place] = text.count("\n")
        house.imports |= set(_imports(module, tree, names.keys()))
        house.broad += _broad(place, tree, text.splitlines())
        house.made += _made(place, tree)
        for where, node in _named(place, tree):
            if isinstance(node, ast.ClassDef):
                house.classes.append(_class(where, node))
            elif isinstance(node, DEF):
                house.functions[where] = (node.end_lineno or 0) - node.lineno + 1
    return house


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _named(place: str, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every class and function below a node, with its dotted name after the file's."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, DEF | ast.ClassDef):
            where = f"{place}{'.' if ' ' in place else ' '}{part.name}"
            yield where, part
            yield from _named(where, part)
        else:
            yield from _named(place, part)


def _class(where: str, node: ast.ClassDef) -> Class:
    annotated = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
    names = {target.id for target in annotated if isinstance(target, ast.Name)}
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and isinstance(part.value, ast.Name):
            names |= {part.attr} if part.value.id == "self" else set()
    calls = [decorator for decorator in node.decorator_list if isinstance(decorator, ast.Call)]
    frozen = any(keyword.arg == "frozen" for call in calls for keyword in call.keywords)
    frozen = frozen or any(ast.unparse(decorator) == "value" for decorator in node.decorator_list)
    return Class(where, sum(isinstance(part, DEF) for part in node.body), len(names), frozen)


def _imports(module: str, tree: ast.Module, modules: Collection[str]) -> Iterator[Import]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else str(node.module) for name in whole]
        yield from (Import(module, name) for name in names if name in modules)


def _broad(place: str, tree: ast.Module, lines: list[str]) -> Iterator[Broad]:
    for node in ast.walk(tree):
        caught: list[ast.expr | None] = []
        if isinstance(node, ast.ExceptHandler):
            caught = list(node.type.elts) if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            caught = list(node.args)
        if any(each is None or ast.unparse(each) in BROAD for each in caught):
            line = lines[node.lineno - 1]  # type: ignore[attr-defined]
            found = REASON.search(line)
            yield Broad(f"{place}: {line.strip()}", found[1] if found else "")


def _made(place: str, tree: ast.Module) -> Iterator[Making]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            yield Making(f"{place} {name}", name, sum(not isinstance(each, ast.Starred) for each in node.args))


# --- rules -----------------------------------------------------------------------------------------------------


def long_functions(house: House) -> Iterator[str]:
    for where, lines in house.functions.items():
        if lines > MOST_FUNCTION_LINES:
            yield f"{where}: {lines} lines"


def large_classes(house: House) -> Iterator[str]:
    """The fields of a frozen class are a value's, not its state: their number is not limited."""
    for each in house.classes:
        if each.methods > MOST_METHODS:
            yield f"{each.where}: {each.methods} methods"
        if each.attributes > MOST_ATTRIBUTES and not each.frozen:
            yield f"{each.where}: {each.attributes} attributes"


def long_files(house: House) -> Iterator[str]:
    for path, lines in house.files.items():
        if lines > MOST_FILE_LINES:
            yield f"{path}: {lines} lines"


def values_without_names(house: House) -> Iterator[str]:
    frozen = {each.where.rpartition(" ")[2].rpartition(".")[2] for each in house.classes if each.frozen}
    for each in house.made:
        if each.without_name > MOST_WITHOUT_NAME and each.name in frozen:
            yield f"{each.where}: {each.without_name} values without a name"


def circles(house: House) -> Iterator[str]:
    """Circles of imports: each is named, and then broken, so that the next one is found."""
    graph: dict[str, list[str]] = {}
    for each in sorted(house.imports):
        graph.setdefault(each.source, []).append(each.target)
    while True:
        try:
            TopologicalSorter(graph).prepare()
            return
        except CycleError as exc:
            circle = exc.args[1][::-1]  # the sorter names what is imported before what imports it
            yield f"{' imports '.join(_from_the_first(circle[:-1]))}: a circle"
            graph[circle[0]].remove(circle[1])


def _from_the_first(circle: list[str]) -> list[str]:
    """The circle from the module that comes first in the alphabet, and back to it."""
    start = circle.index(min(circle))
    return [*circle[start:], *circle[:start], circle[start]]


def upward_imports(house: House) -> Iterator[str]:
    floor_of = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
    for each in sorted(house.imports):
        source, target = room(each.source), room(each.target)
        if source == target:
            continue
        where = f"{each.source} imports {each.target}"
        if unlisted := {source, target} - floor_of.keys():
            yield f"{where}: {', '.join(sorted(unlisted))} stands on no floor"
        elif floor_of[target] >= floor_of[source]:
            yield f"{where}: not down"
        elif source.startswith("drivers") and target.startswith("daemon"):
            yield f"{where}: drivers know nothing of the daemon"
        elif source.startswith("daemon") and target.startswith("drivers") and target not in SHARED:
            yield f"{where}: the inside of a driver"


def room(module: str) -> str:
    """The room of a module; the files that stand alone in `drivers` are one room, those in `daemon` one each."""
    parts = module.split(".")
    name = ".".join(parts[:2])
    alone = parts[0] == "drivers" and len(parts) <= 2 and not any(name in rooms for rooms in FLOORS)
    return parts[0] if alone else name


def broad_excepts(house: House) -> Iterator[str]:
    yield from (f"{each.where}: no reason" for each in house.broad if not each.reason)


Rule = Callable[[House], Iterator[str]]
RULES: tuple[Rule, ...] = (
    long_functions,
    large_classes,
    long_files,
    values_without_names,
    circles,
    upward_imports,
    broad_excepts,
)


def broken(house: House, rule: Rule) -> list[str]:
    """What breaks a rule and is no exception."""
    return [found for found in rule(house) if _subject(found) not in EXCEPTIONS]


def subjects(house: House) -> set[str]:
    """All that breaks a rule, listed or not."""
    return {_subject(found) for rule in RULES for found in rule(house)}


def _subject(found: str) -> str:
    """What breaks a rule, without by how much."""
    return found.partition(":")[0]


# --- the table -------------------------------------------------------------------------------------------------


def figures(house: House) -> Iterator[tuple[str, str]]:
    """What is printed, with its value."""
    lengths = sorted(house.functions.values())
    longest = max(house.functions, key=lambda where: house.functions[where])
    file = max(house.files, key=lambda path: house.files[path])
    methods = max(house.classes, key=lambda each: each.methods)
    state = max((each for each in house.classes if not each.frozen), key=lambda each: each.attributes)
    value = max((each for each in house.classes if each.frozen), key=lambda each: each.attributes)
    yield "files", f"{len(house.files)}, longest {house.files[file]} lines: {file}"
    yield "functions", f"{len(lengths)}, median {median(lengths):g} lines, longest {lengths[-1]}: {longest}"
    yield "classes", f"{len(house.classes)}, most methods {methods.methods}: {methods.where}"
    yield "most attributes", f"{state.attributes}: {state.where}"
    yield "most fields of a frozen value", f"{value.attributes}: {value.where}"
    yield "imports between modules", f"{len(house.imports)}"
    yield "broad excepts", f"{len(house.broad)}"


def main() -> int:
    house = measured(ROOT)
    for name, value in figures(house):
        print(f"{name:30} {value}")
    for each in house.broad:
        print(f"  {each.where}")
    for found, why in EXCEPTIONS.items():
        print(f"exception: {found}\n  {why}")
    faults = [f"{rule.__name__}: {found}" for rule in RULES for found in broken(house, rule)]
    faults += [f"listed for nothing: {found}" for found in sorted(EXCEPTIONS.keys() - subjects(house))]
    print("\n".join(faults) or "every rule holds")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
