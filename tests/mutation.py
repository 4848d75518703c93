"""The mutation score: break every rule of the table in every way below, and count what is caught.

    python -m tests.mutation                   # the score of assert_rule
    python -m tests.mutation --peers           # and of PyTorch's, JAX's and autograd's checkers, where installed
    python -m tests.mutation tanh matmul       # some rules only

A mutant is one rule with one mistake:

* the derivative times 1 + 1e-6; the wrong sign; zero; the other operand's in its place;
* in the rule's own source, helpers included: one factor or divisor left out, one plus a minus (or the
  other way round), one minus sign gone, one comparison on the wrong side of its boundary;
* broadcasting not undone for one operand.

A mutant that gives the same numbers as the rule on a battery of other points (random and special ones,
a few thousand for an elementwise rule) is *equivalent*: no mistake, and left out of the score.
"""

from __future__ import annotations

import argparse
import ast
import copy
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from engine import backprop, primitives
from engine.primitives import TABLE, Primitive
from engine.prove import points
from engine.prove.points import Call
from engine.prove.proving import assert_rule
from tests.peers import PEERS, peer_catches

KINDS = {
    "scale": "times 1 + 1e-6",
    "sign": "wrong sign",
    "zero": "derivative left out",
    "swap": "operands swapped",
    "factor": "a factor or divisor left out",
    "term": "a plus for a minus, or the other way",
    "side": "wrong side of a boundary",
    "unbroadcast": "broadcasting not undone",
}


class Mutant(NamedTuple):
    """One rule with one mistake."""

    kind: str
    where: str
    primitive: Primitive
    operand: int | None  # None: in a helper that several operands may use
    keep_broadcast: bool = False  # the mistake is in the chain rule: the contribution stays as it is


# ── making mutants ────────────────────────────────────────────────────────────


def clone(rule: Primitive, vjps: list[Callable[..., Any] | None]) -> Primitive:
    """The same entry with other vjps, outside of the table."""
    entry = {key: getattr(rule, key) for key in ("symbol", "variadic", "elementwise", "domain", "kinks", "cases")}
    return Primitive(rule.name, rule.forward, vjps, **entry)


def arity(rule: Primitive) -> int:
    return max(len(case.shapes) for case in rule.cases) if rule.variadic else len(rule.vjps)


def with_vjp(rule: Primitive, k: int, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Primitive:
    """The entry with the vjp of operand k changed."""
    if not rule.variadic:
        return clone(rule, [change(vjp) if j == k else vjp for j, vjp in enumerate(rule.vjps)])
    right = rule.vjps[0]

    def vjp(g: Any, out: Any, *args: Any, argnum: int, **params: Any) -> Any:
        def one(g: Any, out: Any, *args: Any, **params: Any) -> Any:
            return right(g, out, *args, argnum=argnum, **params)

        return (change(one) if argnum == k else one)(g, out, *args, **params)

    return clone(rule, [vjp])


def whole(rule: Primitive) -> Iterator[Mutant]:
    """Mistakes made to a vjp from outside."""
    for k in range(arity(rule)):
        if not rule.variadic and rule.vjps[k] is None:
            continue
        changes: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
            "scale": lambda vjp: lambda *args, **params: vjp(*args, **params) * (1.0 + 1e-6),
            "sign": lambda vjp: lambda *args, **params: -vjp(*args, **params),
            "zero": lambda vjp: lambda *args, **params: 0.0 * vjp(*args, **params),
        }
        for kind, change in changes.items():
            yield Mutant(kind, f"operand {k}", with_vjp(rule, k, change), k)
        for other in range(arity(rule) if not rule.variadic else 0):
            if other != k:
                vjps = list(rule.vjps)
                vjps[k] = vjps[other]
                yield Mutant("swap", f"operand {k} gets the vjp of operand {other}", clone(rule, vjps), k)
        yield Mutant("unbroadcast", f"operand {k}", with_vjp(rule, k, lambda vjp: lambda *args, **params: vjp(*args, **params)), k, True)


FLIPPED = {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}


def edits(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """(kind, replacement) for the mistakes that can be made at one place of the source."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Mult):
            yield from (("factor", node.left), ("factor", node.right))
        elif isinstance(node.op, ast.Div):
            yield "factor", node.left
        elif isinstance(node.op, (ast.Add, ast.Sub)):
            yield "term", ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield "term", node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in FLIPPED:
        yield "side", ast.Compare(node.left, [FLIPPED[type(node.ops[0])]()], node.comparators)


class Source:
    """The rules of one module as syntax trees."""

    def __init__(self, module: ModuleType):
        self.module = module
        tree = ast.parse(inspect.getsource(module))
        self.functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self.rules: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id="primitive"), args=[ast.Constant(value=name), _, *vjps]):
                    self.rules[name] = vjps

    def helpers(self, root: ast.AST) -> list[str]:
        """The functions of the module that an expression ends up calling."""
        found: list[str] = []
        todo = [root]
        for node in todo:  # the list grows while it is read
            for name in sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & self.functions.keys()):
                entered = any(isinstance(d, ast.Call) for d in self.functions[name].decorator_list)  # a composite: public, tested by itself
                if name not in found and not entered:
                    found.append(name)
                    todo.append(self.functions[name])
        return found

    def mutants(self, rule: Primitive) -> Iterator[Mutant]:
        """Every edit to the vjps of a rule and to the helpers that they call."""
        vjps = self.rules[rule.name]
        done: set[str] = set()
        for k, vjp in enumerate(vjps):
            if not isinstance(vjp, ast.Lambda):
                continue
            for kind, line, edited in self.edited(vjp.body):
                changed = ast.Lambda(vjp.args, edited)
                yield self.assemble(rule, kind, f"{line} in the vjp of operand {k}", {k: changed}, {}, None if rule.variadic else k)
            for name in self.helpers(vjp):
                if name in done:
                    continue
                done.add(name)
                for kind, line, edited in self.edited(self.functions[name]):
                    yield self.assemble(rule, kind, f"{line} in {name}", {}, {name: edited}, None)

    def edited(self, tree: ast.AST) -> Iterator[tuple[str, str, Any]]:
        """(kind, the place in words, the tree with one edit) for each edit."""
        places = [node for node in ast.walk(tree) if any(edits(node))]
        for number, node in enumerate(places):
            for choice, (kind, new) in enumerate(edits(node)):
                words = f"{ast.unparse(node)} → {ast.unparse(ast.fix_missing_locations(copy.deepcopy(new)))}"
                edited = copy.deepcopy(tree)
                target = [n for n in ast.walk(edited) if any(edits(n))][number]
                _, replacement = list(edits(target))[choice]
                yield kind, words, Swap(target, replacement).visit(edited)

    def assemble(
        self, rule: Primitive, kind: str, where: str, vjps: dict[int, Any], helpers: dict[str, Any], operand: int | None
    ) -> Mutant:
        """Compile the rule with some of its parts exchanged."""
        space = dict(self.module.__dict__)
        for name in {name for vjp in self.rules[rule.name] for name in self.helpers(vjp)}:
            definition = helpers.get(name, self.functions[name])
            exec(compile(ast.fix_missing_locations(ast.Module([definition], [])), f"<mutant of {name}>", "exec"), space)
        made = []
        for k, vjp in enumerate(self.rules[rule.name]):
            expression = ast.fix_missing_locations(ast.Expression(vjps.get(k, vjp)))
            made.append(eval(compile(expression, f"<mutant of {rule.name}>", "eval"), space))
        return Mutant(kind, where, clone(rule, made), operand)


class Swap(ast.NodeTransformer):
    def __init__(self, target: ast.AST, replacement: ast.AST):
        self.target, self.replacement = target, replacement

    def visit(self, node: ast.AST) -> Any:
        return ast.copy_location(self.replacement, node) if node is self.target else self.generic_visit(node)


def sources() -> dict[str, Source]:
    """Where each rule of the table is written."""
    found = [Source(import_module(f"engine.primitives.{module.name}")) for module in iter_modules(primitives.__path__)]
    return {name: source for source in found for name in source.rules}


def mutants(rule: Primitive, source: Source | None) -> Iterator[Mutant]:
    yield from whole(rule)
    if source:
        yield from source.mutants(rule)


# ── verdicts ──────────────────────────────────────────────────────────────────


class Unsummed:
    """Within it the contributions of one operand of one primitive stay as broadcasting made them."""

    def __init__(self, mutant: Mutant):
        self.mutant = mutant
        self.used = False  # whether there was anything to sum

    def __enter__(self) -> Unsummed:
        self.fit = fit = backprop.fit

        def careless(contribution: Any, operand: Any, primitive: Primitive) -> Any:
            right = fit(contribution, operand, primitive)
            if primitive is not self.mutant.primitive or np.shape(contribution) == np.shape(right):
                return right
            if sys._getframe(1).f_locals["argnum"] != self.mutant.operand:  # the operand that `contributions` is at
                return right
            self.used = True
            return contribution

        backprop.fit = careless
        return self

    def __exit__(self, *_: Any) -> None:
        backprop.fit = self.fit


def caught(mutant: Mutant) -> bool | None:
    """Whether assert_rule objects; None where broadcasting never happens, so that there is nothing to forget."""
    if not mutant.keep_broadcast:
        return objects(mutant)
    with Unsummed(mutant) as mistake:
        objected = objects(mutant)
    return objected if mistake.used else None


def objects(mutant: Mutant) -> bool:
    try:
        assert_rule(mutant.primitive)
    except AssertionError:
        return True
    return False


def battery(rule: Primitive) -> Iterator[Call]:
    """Points to compare two vjps on, other ones than those of the proof, and the special ones."""
    rng = np.random.default_rng(20240229)
    for _ in range(8):
        yield from points.ordinary_calls(rule, rng)
    yield from points.special_calls(rule)
    if rule.elementwise:
        for k in range(len(rule.vjps)):
            yield Call(tuple(np.array([np.nan, 0.5]) if j == k else np.array([0.7, -0.2]) for j in range(len(rule.vjps))))
        wide = rng.standard_normal((len(rule.vjps), 4000)) * 10.0 ** rng.uniform(-8, 2, (len(rule.vjps), 4000))
        with np.errstate(all="ignore"):
            good = points.inside(rule, wide)
        for params in points.parameter_sets(rule):
            yield Call(tuple(row[good] for row in wide), params)


def equivalent(mutant: Mutant) -> bool:
    """Whether the mutant gives the rule's own numbers on the whole battery."""
    rule = TABLE[mutant.primitive.name]
    with np.errstate(all="ignore"):
        for call in battery(rule):
            args = [np.asarray(arg) for arg in call.args]
            out = np.asarray(rule.forward(*args, **call.params))
            g = np.cos(np.arange(1.0, out.size + 1.0)).reshape(out.shape)
            for k in range(len(args)):
                if not (right := rule.vjp(k)):
                    continue
                one = right(g, out, *args, **call.params)
                try:
                    two = mutant.primitive.vjp(k)(g, out, *args, **call.params)
                    one, two = np.broadcast_arrays(one, two)
                except Exception:
                    return False
                if not np.allclose(one, two, rtol=1e-13, atol=0.0, equal_nan=True):
                    return False
    return True


# ── the score ─────────────────────────────────────────────────────────────────


class Score:
    """Counts by kind of mistake."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.same: Counter[str] = Counter()
        self.caught: dict[str, Counter[str]] = {}
        self.missed: list[Mutant] = []
        self.equivalent: list[Mutant] = []
        self.alarms: Counter[str] = Counter()  # objections to rules that are right
        self.rules = 0

    def enter_right(self, rule: Primitive, peers: dict[str, Callable[[Mutant, Call], bool]]) -> None:
        """A rule as it is: every objection is a false alarm."""
        right = Mutant("none", "", clone(rule, list(rule.vjps)), None)
        self.rules += 1
        self.alarms["assert_rule"] += objects(right)
        for name, peer in peers.items():
            self.alarms[name] += peer_catches(peer, right)

    def enter(self, mutant: Mutant, peers: dict[str, Callable[[Mutant, Call], bool]]) -> None:
        verdict = caught(mutant)
        if verdict is None:
            return
        if not verdict and not mutant.keep_broadcast and equivalent(mutant):
            self.same[mutant.kind] += 1
            self.equivalent.append(mutant)
            return
        self.total[mutant.kind] += 1
        self.caught.setdefault("assert_rule", Counter())[mutant.kind] += verdict
        if not verdict:
            self.missed.append(mutant)
        for name, objects in peers.items():
            self.caught.setdefault(name, Counter())[mutant.kind] += peer_catches(objects, mutant)

    def __str__(self) -> str:
        checkers = list(self.caught)
        rows = [("mistake", "mutants", *checkers)]
        for kind, words in KINDS.items():
            if self.total[kind]:
                rows.append((words, str(self.total[kind]), *(str(self.caught[c][kind]) for c in checkers)))
        total = sum(self.total.values())
        rows.append(
            ("all", str(total), *(f"{sum(self.caught[c].values())} ({sum(self.caught[c].values()) / total:.1%})" for c in checkers))
        )
        if self.rules:
            rows.append(("false alarms, on rules that are right", str(self.rules), *(str(self.alarms[c]) for c in checkers)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        lines.insert(1, "  ".join("─" * w for w in widths))
        lines.append(f"{len(self.equivalent)} equivalent mutants, which give the rule's own numbers, are left out")
        lines += [f"MISSED {m.kind}: {m.primitive.name}, {m.where}" for m in self.missed]
        return "\n".join(lines)


def score(
    names: list[str], peers: dict[str, Callable[[Mutant, Call], bool]] | None = None, every: int = 1, progress: bool = False
) -> Score:
    """The score over some rules; `every` takes one mutant in so many."""
    where, result, number = sources(), Score(), 0
    for name in names:
        if progress:
            print(f"\r{name:20s}", end="", file=sys.stderr, flush=True)
        if every == 1:
            result.enter_right(TABLE[name], peers or {})
        for mutant in mutants(TABLE[name], where.get(name)):
            number += 1
            if number % every == 0:
                result.enter(mutant, peers or {})
    if progress:
        print("\r" + " " * 20 + "\r", end="", file=sys.stderr)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("rules", nargs="*", help="names of the rule table; all by default")
    parser.add_argument("--peers", action="store_true", help="also the checkers of PyTorch, JAX and autograd, where installed")
    parser.add_argument("--equivalent", action="store_true", help="list the equivalent mutants")
    options = parser.parse_args()
    names = options.rules or list(TABLE)
    if unknown := [name for name in names if name not in TABLE]:
        parser.error(f"not in the rule table: {', '.join(unknown)}")
    peers = {}
    if options.peers:
        for name, objects in PEERS.items():
            try:
                import_module(name)
            except ImportError:
                print(f"{name} is not installed", file=sys.stderr)
            else:
                peers[name] = objects
    result = score(names, peers, progress=True)
    print(result)
    if options.equivalent:
        for mutant in result.equivalent:
            print(f"equivalent: {mutant.primitive.name}, {mutant.where}")
    return 1 if result.missed or result.alarms["assert_rule"] else 0


if __name__ == "__main__":
    sys.exit(main())
