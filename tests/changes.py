"""What a mutant changes in a source file, and every mutant of a file.

A *mutant* is one source file with one change:

* a comparison at its boundary (< for <=), or negated; `and` for `or`; a `not` left out; a condition that is always true, or never;
* a statement left out: a call, an assignment to an attribute or an element, an augmented assignment, `raise`, `del`;
* None returned in place of a value; a number one larger; + for −, × for ÷, and the other way round;
* a keyword argument left out; `break` for `continue`, and the other way round.

Text, annotations and the messages of errors are left alone.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.equivalents import Equivalent

LONGEST = 110  # characters of source that a mutant is described by
SHOWN = (ast.stmt, ast.expr, ast.keyword, ast.comprehension, ast.arguments, ast.withitem)  # nodes whose source can stand alone


# ── the changes ───────────────────────────────────────────────────────────────

BOUNDARY: dict[type, type] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
NEGATED: dict[type, type] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPPOSITE: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of one node of the tree."""
    match node:
        case ast.Compare():
            for k, op in enumerate(node.ops):
                for table in (BOUNDARY, NEGATED):
                    if new := table.get(type(op)):
                        yield ast.Compare(node.left, [*node.ops[:k], new(), *node.ops[k + 1 :]], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp() if type(node.op) in OPPOSITE and not is_text(node.left) and not is_text(node.right):
            yield ast.BinOp(node.left, OPPOSITE[type(node.op)](), node.right)
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1)
        case ast.Call():
            for k, keyword in enumerate(node.keywords):
                if keyword.arg:
                    yield ast.Call(node.func, node.args, node.keywords[:k] + node.keywords[k + 1 :])
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign() if all(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            yield ast.Pass()
        case ast.AnnAssign(target=ast.Attribute(), value=ast.expr()):
            yield ast.Pass()
        case ast.AugAssign():
            yield ast.Pass()
            if type(node.op) in OPPOSITE and not is_text(node.value):
                yield ast.AugAssign(node.target, OPPOSITE[type(node.op)](), node.value)
        case ast.Return(value=ast.expr()) if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """(field, index in the field's list, child) for the parts of a node in which a change is a mistake that tests should see."""
    for field, value in ast.iter_fields(node):
        match node, field:
            case (_, "annotation" | "returns" | "type_params") | (ast.JoinedStr(), _):
                continue  # annotations and text
            case ast.Raise(), "exc":
                continue  # messages of errors
            case ast.If(test=ast.Name(id="TYPE_CHECKING")), _:
                continue
            case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "ParamSpec")), _:
                continue
            case ast.FunctionDef(), _ if any(ast.unparse(d).endswith("overload") for d in node.decorator_list):
                continue
        if isinstance(value, ast.AST):
            yield field, None, value
        elif isinstance(value, list):
            yield from ((field, k, item) for k, item in enumerate(value) if isinstance(item, ast.AST))


def is_condition(parent: ast.AST, field: str) -> bool:
    return field in ("test", "guard") or (isinstance(parent, ast.comprehension) and field == "ifs")


# ── mutants ───────────────────────────────────────────────────────────────────


class Place(NamedTuple):
    """Where a node hangs in the tree."""

    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


class Mutant(NamedTuple):
    file: str  # from the project's root
    function: str
    line: int
    original: str
    mutated: str
    number: int  # among the mutants of the file

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}: {self.original} → {self.mutated}"

    @property
    def rank(self) -> str:
        """Decides whether the mutant is in the sample: no other code has a part in it, nor has the line number."""
        return hashlib.sha256(f"{self.file} {self.function} {self.original} {self.mutated}".encode()).hexdigest()

    def fits(self, entry: Equivalent) -> bool:
        return self[:2] == entry[:2] and self.original == entry.original and entry.mutated in ("*", self.mutated)


class Source:
    """One source file and all its mutants."""

    def __init__(self, root: Path, file: str):
        self.path, self.file = root / file, file
        parts = Path(file).with_suffix("").parts
        self.module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.tree = ast.parse(self.path.read_text(encoding="utf-8"))
        self.mutants: list[Mutant] = []
        self._edits: list[tuple[Place, ast.AST, ast.AST]] = []  # place, node, replacement
        self._collect(self.tree, [], [])

    def _collect(self, node: ast.AST, above: list[Place], names: list[str]) -> None:
        """Enter the mutants of everything below a node, in reading order; `above` leads from the root to the node."""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = [*names, node.name]
        for field, index, child in children(node):
            place = Place(node, field, index)
            always = [ast.Constant(True), ast.Constant(False)] if is_condition(node, field) else []
            for new in [*changes(child), *always]:
                ast.fix_missing_locations(ast.copy_location(new, child))
                self._enter([*above, place], child, new, ".".join(names) or "<module>")
            self._collect(child, [*above, place], names)

    def _enter(self, way: list[Place], node: ast.AST, new: ast.AST, function: str) -> None:
        """Enter one mutant, described by as much of the source around the change as one line holds."""
        chain = [place.parent for place in way] + [node]
        shown = len(way)
        while not isinstance(chain[shown], ast.stmt) and isinstance(chain[shown - 1], SHOWN) and len(header(chain[shown - 1])) <= LONGEST:
            shown -= 1
        texts = []
        for changed in (new, node):  # the tree is as it was after the second
            way[-1].put(changed)
            texts.append(header(changed if shown == len(way) else chain[shown]))
        self.mutants.append(Mutant(self.file, function, getattr(node, "lineno", 0), texts[1], texts[0], len(self.mutants)))
        self._edits.append((way[-1], node, new))

    def code(self, mutant: Mutant | None) -> Any:
        """The compiled module, with the mutant's change in it."""
        if mutant is None:
            return compile(self.tree, str(self.path), "exec")
        place, node, new = self._edits[mutant.number]
        place.put(new)
        try:
            return compile(self.tree, str(self.path), "exec")
        finally:
            place.put(node)


def header(node: ast.AST) -> str:
    """The source of a node on one line, without the statements inside it."""
    if isinstance(node, ast.stmt) and (hasattr(node, "body") or hasattr(node, "cases")):
        node = copy.copy(node)
        for field in ("body", "orelse", "finalbody", "handlers", "cases", "decorator_list"):
            if hasattr(node, field):
                setattr(node, field, [])
    return " ".join(ast.unparse(node).split())
