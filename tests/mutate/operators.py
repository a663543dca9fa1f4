"""The mutants of a module: small changes to its syntax tree, each of which some test should notice.

Annotations, decorators, docstrings, assertions for the type checker, log lines and the wording of exceptions are left
alone: no behaviour depends on them.
"""

import ast
import copy
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
SQL = re.compile(r"\b(?:SELECT|UPDATE|DELETE FROM|WHERE|ORDER BY)\b")
SQL_CHANGES = {
    ">=": ">",
    "<=": "<",
    ">": ">=",
    "<": "<=",
    "!=": "=",
    "=": "!=",
    " AND ": " OR ",
    " OR ": " AND ",
    " DESC": "",
    "DISTINCT ": "",
}
SQL_TOKEN = re.compile("|".join(map(re.escape, SQL_CHANGES)))
SYMMETRIC = frozenset({"max", "min", "compare_digest", "suppress"})  # the order of their arguments changes nothing
UNTOUCHED_CALLS = frozenset({"TypeVar", "assert_never", "getLogger"})
UNTOUCHED_FIELDS = frozenset({"annotation", "returns", "decorator_list", "type_comment", "type_params", "format_spec"})
UNTOUCHED = (ast.Import, ast.ImportFrom, ast.Assert, ast.Global, ast.Nonlocal)
DELETED = (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@dataclass(frozen=True, slots=True)
class Mutant:
    """where: the class and function; in_function: it changes what a function does, not how the module is made.

    number: from 0, in the module; lines: of the statement that it changes; before, after: the source of that.
    """

    module: str
    number: int
    operator: str
    where: str
    in_function: bool
    lines: range
    before: str
    after: str
    _node: ast.AST = field(repr=False)
    _field: str = field(repr=False)
    _index: int | None = field(repr=False)
    _new: Any = field(repr=False)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays when lines are moved."""
        return self.module, self.where, self.before, self.after

    def apply(self) -> None:
        """Change the tree. There is no way back: it is for a process that ends with the mutant."""
        _put(self._node, self._field, self._index, self._new)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk stands. statement: the innermost; worded: within a text for people."""

    where: str
    statement: ast.AST
    in_function: bool = False
    worded: bool = False


@dataclass(frozen=True, slots=True)
class _Change:
    """One field of a node gets another value."""

    operator: str
    place: _Place
    node: ast.AST
    field: str
    index: int | None
    new: Any


class Module:
    """A module with its tree and its mutants."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path(*name.split(".")).with_suffix(".py").resolve()
        self.tree = ast.parse(self.path.read_text(encoding="utf-8"))
        changes = list(_walk(self.tree, _Place("", self.tree)))
        self.mutants = _distinct([self._mutant(number, change) for number, change in enumerate(changes)])

    def _mutant(self, number: int, change: _Change) -> Mutant:
        place = (change.node, change.field, change.index)
        statement = change.place.statement
        for new in change.new if isinstance(change.new, list) else [change.new]:
            ast.fix_missing_locations(ast.copy_location(new, statement))
        before = _head(statement)
        old = _put(*place, change.new)
        after = _head(change.new if old is statement else statement)
        _put(*place, old)
        return Mutant(
            self.name,
            number,
            change.operator,
            change.place.where,
            change.place.in_function,
            _lines(statement),
            before,
            after,
            *place,
            change.new,
        )


def _distinct(mutants: list[Mutant]) -> list[Mutant]:
    """Where one function has the same change twice, the later ones say so."""
    seen: Counter[tuple[str, str, str, str]] = Counter()
    found = []
    for mutant in mutants:
        seen[mutant.key] += 1
        again = seen[mutant.key]
        found.append(mutant if again == 1 else replace(mutant, after=f"{mutant.after}  # {again}"))
    return found


def _put(node: Any, name: str, index: int | None, new: Any) -> Any:
    """Returns what was there."""
    if index is None:
        old = getattr(node, name)
        setattr(node, name, new)
    else:
        old = getattr(node, name)[index]
        getattr(node, name)[index] = new
    return old


def _head(statement: ast.AST) -> str:
    """The source of a statement, without the blocks under it."""
    if isinstance(statement, ast.Module):
        return ""
    bare = copy.copy(statement)
    if not hasattr(bare, "body") or isinstance(bare, ast.ExceptHandler):
        return ast.unparse(bare)
    for name in BLOCKS:
        if hasattr(bare, name):
            setattr(bare, name, [ast.Pass()] if name == "body" else [])
    return ast.unparse(bare).strip().removesuffix("pass").strip()


def _lines(statement: ast.AST) -> range:
    """Those of a simple statement; of another those of its head."""
    first = getattr(statement, "lineno", None)
    if first is None:  # a case of a match
        first = statement.pattern.lineno  # type: ignore[attr-defined]
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return range(first, max(body[0].lineno, first + 1))
    return range(first, getattr(statement, "end_lineno", first) + 1)


# --- the walk -------------------------------------------------------------------------------------------------


def _walk(node: ast.AST, place: _Place) -> Iterator[_Change]:
    """The changes under a node."""
    for name, value in ast.iter_fields(node):
        if name in UNTOUCHED_FIELDS:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not _untouched(child):
                inside = _inside(node, name, child, place)
                for operator, new in _changed(child, inside, node, name):
                    yield _Change(operator, inside, node, name, index, new)
                yield from _walk(child, inside)
    yield from _of_itself(node, place)


def _inside(parent: ast.AST, name: str, child: ast.AST, place: _Place) -> _Place:
    """Where a child stands. The defaults of a function are of what is around it."""
    if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        where = f"{place.where}.{child.name}".lstrip(".")
        return replace(place, where=where, statement=child)
    if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef) and name == "body":
        place = replace(place, in_function=True)
    if isinstance(child, ast.Raise):
        place = replace(place, worded=True)
    if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
        place = replace(place, statement=child)
    return place


def _untouched(node: ast.AST) -> bool:
    if isinstance(node, UNTOUCHED):
        return True
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.match_case):
        return isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None and node.guard is None
    value = node.value if isinstance(node, ast.Expr | ast.Assign) else node
    if isinstance(node, ast.Expr) and isinstance(value, ast.Constant):
        return True  # a docstring
    if not isinstance(value, ast.Call):
        return False
    called = value.func
    if isinstance(called, ast.Attribute):
        logs = isinstance(called.value, ast.Name) and called.value.id == "log"
        return logs or called.attr in UNTOUCHED_CALLS
    return isinstance(called, ast.Name) and called.id in UNTOUCHED_CALLS


def _changed(node: ast.AST, place: _Place, parent: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """What may stand in a node's place."""
    match node:
        case ast.Constant():
            for value in _other_constants(node.value, place.worded):
                yield "constant", ast.Constant(value)
        case ast.BoolOp(op=op, values=values) if not place.worded:
            yield "and/or", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for left_out in range(len(values)):
                kept = values[:left_out] + values[left_out + 1 :]
                yield "condition left out", kept[0] if len(kept) == 1 else ast.BoolOp(op, kept)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield "not" if isinstance(node.op, ast.Not) else "arithmetic", operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC and not place.worded:
            yield "arithmetic", ast.BinOp(left, ARITHMETIC[type(op)](), right)
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            yield "return value", ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield "statement deleted", ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield "statement deleted", ast.Pass()
        case ast.Return(value=None):
            yield "statement deleted", ast.Pass()
        case _ if isinstance(node, DELETED):
            yield "statement deleted", ast.Pass()
    if _is_condition(parent, name) and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
        yield "not", ast.UnaryOp(ast.Not(), node)  # type: ignore[arg-type]
    if isinstance(parent, ast.comprehension) and name == "ifs":
        yield "condition left out", ast.Constant(True)


def _of_itself(node: ast.AST, place: _Place) -> Iterator[_Change]:
    """The changes of what a node has in several fields or lists."""
    match node:
        case ast.Compare(ops=ops):
            for index, op in enumerate(ops):
                for other in COMPARISONS[type(op)]:
                    yield _Change("comparison", place, node, "ops", index, other())
        case ast.AugAssign(op=op) if type(op) in ARITHMETIC:
            yield _Change("arithmetic", place, node, "op", None, ARITHMETIC[type(op)]())
        case ast.Call(func=func, args=args, keywords=keywords) if not place.worded:
            called = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            for index in range(len(args) - 1):
                if called not in SYMMETRIC and _may_swap(args[index], args[index + 1]):
                    swapped = [*args[:index], args[index + 1], args[index], *args[index + 2 :]]
                    yield _Change("arguments swapped", place, node, "args", None, swapped)
            for index, keyword in enumerate(keywords):
                if keyword.arg is not None:
                    left = keywords[:index] + keywords[index + 1 :]
                    yield _Change("argument left out", place, node, "keywords", None, left)
        case ast.ExceptHandler(body=body) if not isinstance(body[0], ast.Raise):
            yield _Change("handler", place, node, "body", None, [ast.Raise()])


def _is_condition(parent: ast.AST, name: str) -> bool:
    in_test = isinstance(parent, ast.If | ast.While | ast.IfExp) and name == "test"
    in_filter = isinstance(parent, ast.comprehension) and name == "ifs"
    return in_test or in_filter or (isinstance(parent, ast.match_case) and name == "guard")


def _may_swap(left: ast.expr, right: ast.expr) -> bool:
    starred = isinstance(left, ast.Starred) or isinstance(right, ast.Starred)
    return not starred and ast.dump(left) != ast.dump(right)


def _other_constants(value: object, worded: bool) -> list[Any]:
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1] if value < 2 else [value + 1, value - 1]
        case float():
            return [value + 1]
        case str() if not worded and SQL.search(value):
            changes = ((found, SQL_CHANGES[found[0]]) for found in SQL_TOKEN.finditer(value))
            return [value[: found.start()] + other + value[found.end() :] for found, other in changes] or ["XX" + value]
        case str() if not worded:
            return ["XX" + value]
        case bytes():
            return [b"XX" + value]
    return []
