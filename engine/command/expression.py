"""Expressions as text: "tanh(x*w + b)", read against the rule table and never run as Python.

    parse("tanh(x*w + b)").evaluate({"x": Value(2.0), "w": Value(-3.0), "b": 1.0})

Python's own grammar (`ast`) reads the text.  What an expression may hold is this, and nothing else:

    numbers          2, .5, 1e-3, and the constants pi, e, inf, nan
    variables        any other name
    operators        + - * / ** @ and the sign
    functions        all of the rule table, by the engine's names and by NumPy's: exp(x), sum(x, axis=0)
    lists, tuples    [1, 2], [[1, 2], [3, x]], (0, 1)
    indexing         x[0], x[:, 1], x[..., ::-1] with constants
    a string         as the subscripts of einsum

The tree becomes a list of steps for a stack machine, so that no depth of nesting meets Python's recursion limit.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..primitives import COMPOSITES, DISPATCH, PLAIN, TABLE, Primitive
from ..value import Value

__all__ = ["CONSTANTS", "Expression", "ExpressionError", "functions", "parse"]

CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}

# A whole number above this as an argument (a length, a count) asks for more memory than there is.
LARGEST = 10**8

OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "add"),
    ast.Sub: ("-", "subtract"),
    ast.Mult: ("*", "multiply"),
    ast.Div: ("/", "divide"),
    ast.Pow: ("**", "power"),
    ast.MatMult: ("@", "matmul"),
}

# What people write that Python's grammar takes and an expression does not.
REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "attributes are not read here; write a function, as in sum(x) for x.sum(), transpose(x) for x.T, exp(x) for np.exp(x)",
    ast.BitXor: "^ is not an operator here; write ** for a power",
    ast.BoolOp: "and, or and not are not part of an expression",
    ast.Compare: "comparisons are not part of an expression; maximum, minimum, clip, relu and abs choose between numbers",
    ast.FloorDiv: "// has no rule; write floor(x / y)",
    ast.IfExp: "if ... else is not part of an expression; maximum, minimum, clip, relu and abs choose between numbers",
    ast.Mod: "% has no rule; write x - y * floor(x / y)",
    ast.Starred: "* before an argument is not part of an expression; write the arguments out",
    ast.UnaryOp: "of the operators before an operand only + and - have a rule",
    ast.Lambda: "lambda is not part of an expression",
    ast.JoinedStr: "a string has no place here",
    ast.Set: "braces are not part of an expression; write a list, [1, 2], or parentheses",
    ast.Dict: "braces are not part of an expression; write a list, [1, 2], or parentheses",
    ast.Await: "await is not part of an expression",
    **dict.fromkeys(
        (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
        "comprehensions are not part of an expression; functions work on whole arrays",
    ),
    ast.NamedExpr: "an expression assigns nothing; give values after it, as in x=2",
}


class ExpressionError(ValueError):
    """What is wrong with an expression, and the column, counted from 1, where it is."""

    def __init__(self, column: int, message: str):
        super().__init__(f"column {column}: {message}")
        self.column = column


def functions() -> dict[str, Callable[..., Any]]:
    """Every function that an expression can call: by the engine's name, and by NumPy's where it has another."""
    numpys = {name: DISPATCH[thing] for name, thing in list(vars(np).items()) if callable(thing) and thing in DISPATCH}
    return numpys | TABLE | COMPOSITES


# ── evaluating: a stack machine ───────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Step:
    """Take `count` results from the stack and put apply(*results) there; of a variable, put its value there."""

    column: int
    apply: Callable[..., Any]
    count: int = 0
    name: str = ""  # of a variable


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was read: `names` are its variables, each with the column where it stands first."""

    text: str
    names: dict[str, int]
    steps: tuple[Step, ...]

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The result for floats, arrays or Values: a float, an array or a Value.

        A variable named like a constant (e, pi) takes its place.

        Raises:
            ExpressionError: a variable has no value; an operation refused its operands.
        """
        missing = [name for name in self.names if name not in variables and name not in CONSTANTS]
        if missing:
            column = min(self.names[name] for name in missing)
            raise ExpressionError(column, _missing(missing, variables))
        known = CONSTANTS | dict(variables)
        stack: list[Any] = []
        with np.errstate(all="ignore"):
            for step in self.steps:
                start = len(stack) - step.count
                args = [known[step.name]] if step.name else stack[start:]
                del stack[start:]
                try:
                    stack.append(step.apply(*args))
                except MemoryError as error:
                    raise ExpressionError(step.column, "the result does not fit into memory") from error
                except Exception as error:  # whatever a function says to arguments that it was not made for
                    raise ExpressionError(step.column, _first_line(error)) from error
        return stack.pop()


def _operand(thing: Any) -> Any:
    """A number or a list as an operand: floats, so that 9**9**9 is inf and never a large integer."""
    if isinstance(thing, bool) or thing is None or thing is Ellipsis or isinstance(thing, (str, slice)):
        raise TypeError(f"{thing!r} is not a number")
    if isinstance(thing, int):
        return float(thing)
    if isinstance(thing, (list, tuple)):
        if _holds_values(thing):
            return COMPOSITES["stack"]([_operand(item) for item in thing])
        try:
            return np.array([_operand(item) for item in thing], dtype=float)
        except ValueError:
            raise ValueError("the rows of a list have one length, and these have several") from None
    return thing


def _holds_values(thing: Any) -> bool:
    return isinstance(thing, (Value, np.ndarray)) or (isinstance(thing, (list, tuple)) and any(map(_holds_values, thing)))


def _operate(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: function(*map(_operand, args))


def _signed(name: str) -> Callable[[Any], Any]:
    """The sign of a number keeps it an integer, for axis=-1; of all else it is an operation."""
    function = TABLE[name]

    def apply(thing: Any) -> Any:
        if type(thing) in (int, float):
            return -thing if name == "negative" else thing
        return function(_operand(thing))

    return apply


def _call(name: str, function: Callable[..., Any], lead: tuple[Any, ...], count: int, keywords: tuple[Any, ...]) -> Callable[..., Any]:
    """A function of the table on `lead`, then `count` positional arguments, then the keyword arguments.

    Of a primitive the table says how many operands come first.  A composite takes one, or a list of several.
    """
    primitive = isinstance(function, Primitive)
    operands = count if getattr(function, "variadic", False) else len(getattr(function, "vjps", "1"))

    def apply(*args: Any) -> Any:
        if primitive and any(isinstance(arg, Value) for arg in args[operands:]):
            raise TypeError(f"{name}() takes {operands} operand(s); what follows, as an axis, is constant and no variable")
        if any(type(arg) is int and abs(arg) > LARGEST for arg in args):
            raise MemoryError
        given = list(args[:count])
        for i, arg in enumerate(given[:operands]):
            if primitive or not (isinstance(arg, (list, tuple)) and _holds_values(arg)):
                given[i] = _operand(arg)
        return function(*lead, *given, **dict(zip(keywords, args[count:], strict=True)))

    return apply


def _index(thing: Any, index: Any) -> Any:
    if isinstance(thing, (list, tuple)) and isinstance(index, (int, slice)):
        return thing[index]
    if _holds_values(index):
        raise TypeError("an index is made of constants, not of variables")
    return TABLE["getitem"](_operand(thing), index=np.asarray(index) if isinstance(index, list) else index)


# ── reading ───────────────────────────────────────────────────────────────────


def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        ExpressionError: it is not one, calls a function that the table does not have, or holds what an
            expression may not hold.  Of several faults the leftmost is told.
    """
    lead = len(text) - len(text.lstrip())
    body = "".join(" " if c in "\r\n\t\f\v" else c for c in text[lead:])
    if "\0" in body:
        raise ExpressionError(lead + body.index("\0") + 1, "a null character has no place here")
    if not body.strip():
        raise ExpressionError(1, 'nothing to compute; give an expression, as in "x**2"')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on code that is never run
            tree = ast.parse(body, mode="eval").body
    except SyntaxError as error:
        ended = error.msg == "invalid syntax" and not error.offset
        column = len(body.rstrip()) + 1 if ended else min(error.offset or 1, len(body) + 1)
        raise ExpressionError(lead + column, "the expression ends too early" if ended else _syntax(error.msg, body)) from None
    except (RecursionError, MemoryError):
        raise ExpressionError(lead + 1, "too long or too deeply nested to read; build it in Python with Value instead") from None
    except ValueError as error:  # a null byte, half a surrogate pair
        raise ExpressionError(lead + 1, _first_line(error)) from None
    return _Reader(text, lead, body.encode()).read(tree)


class _Reader:
    """From the tree to the steps."""

    def __init__(self, text: str, lead: int, body: bytes):
        self.text, self.lead, self.body = text, lead, body
        self.functions = functions()
        self.names: dict[str, int] = {}

    def read(self, tree: ast.expr) -> Expression:
        """Walk from the root, operands from right to left: backwards, that is the order of evaluation."""
        steps: list[Step] = []
        errors: list[ExpressionError] = []
        pending: list[ast.AST | None] = [tree]
        while pending:
            node = pending.pop()
            try:
                step, operands = self.translate(node)
            except ExpressionError as error:
                errors.append(error)
                continue
            steps.append(step)
            pending.extend(operands)
        finish = Step(self.column(tree.col_offset), _operand, 1)
        if errors:
            raise min(errors, key=lambda error: error.column)
        return Expression(self.text, dict(sorted(self.names.items(), key=lambda item: item[1])), (*reversed(steps), finish))

    def column(self, offset: int) -> int:
        """The column for an offset in bytes."""
        return self.lead + len(self.body[:offset].decode()) + 1

    def translate(self, node: Any) -> tuple[Step, list[Any]]:
        """One node's step, and the nodes whose results it takes."""
        column = self.column(getattr(node, "col_offset", 0))

        def refuse(message: str, at: int = column) -> ExpressionError:
            return ExpressionError(at, message)

        match node:
            case None:  # an open end of a slice
                return Step(column, lambda: None), []
            case ast.Constant(value=value):
                if isinstance(value, int) and abs(value) >= 1 << 1023:
                    raise refuse("this number is too large for a float")
                if value is None or value is Ellipsis or isinstance(value, (int, float)):
                    return Step(column, lambda: value), []
                kind = "a complex number" if isinstance(value, complex) else "a string"
                raise refuse(f"{kind} has no place here; an expression is made of real numbers, names, operators and functions")
            case ast.Name(id=name):
                self.names[name] = min(column, self.names.get(name, column))
                return Step(column, _operand, name=name), []
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                return Step(column, _signed("negative" if isinstance(op, ast.USub) else "positive"), 1), [operand]
            case ast.BinOp(left=left, op=op, right=right):
                symbol, name = OPERATORS.get(type(op), ("", ""))
                at = self.column(self.operator_offset(left))
                if not symbol:
                    raise refuse(
                        REFUSED.get(type(op), f"this operator has no rule; known: {' '.join(s for s, _ in OPERATORS.values())}"), at
                    )
                return Step(at, _operate(TABLE[name]), 2), [left, right]
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                if name not in self.functions:
                    raise refuse(_unknown(name, self.functions))
                keys = tuple(keyword.arg for keyword in keywords)
                if None in keys:
                    raise refuse("** before an argument is not part of an expression", self.column(keywords[keys.index(None)].col_offset))
                operands = [*args, *(keyword.value for keyword in keywords)]
                lead: tuple[Any, ...] = ()
                if name == "einsum" and args and isinstance(args[0], ast.Constant) and isinstance(args[0].value, str):
                    lead, operands = (args[0].value,), operands[1:]
                apply = _call(name, self.functions[name], lead, len(args) - len(lead), keys)
                return Step(column, apply, len(operands)), operands
            case (ast.Attribute(attr=name) as attribute) | ast.Call(func=ast.Attribute(attr=name) as attribute):
                raise refuse(REFUSED[ast.Attribute], self.column((attribute.end_col_offset or 0) - len(name.encode())))
            case ast.Call():
                raise refuse("only a function can be called, and by its name; for a product write *")
            case ast.Subscript(value=value, slice=index):
                return Step(column, _index, 2), [value, index]
            case ast.Slice(lower=lower, upper=upper, step=step):
                return Step(column, slice, 3), [lower, upper, step]
            case ast.Tuple(elts=items):
                return Step(column, lambda *args: args, len(items)), items
            case ast.List(elts=items):
                return Step(column, lambda *args: list(args), len(items)), items
        raise refuse(REFUSED.get(type(node), f"{type(node).__name__} is not part of an expression"))

    def operator_offset(self, left: ast.expr) -> int:
        """Where an operator stands: behind its left operand, spaces and closing parentheses."""
        end = left.end_col_offset or 0
        gap = self.body[end:]
        return end + len(gap) - len(gap.lstrip(b" )"))


# ── what to say ───────────────────────────────────────────────────────────────


def _first_line(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return "a variable stands where a constant belongs, such as an axis or a length" if "leave the graph" in line else line


def _like(name: str, known: Iterable[str]) -> str:
    """A hint to the known name that was probably meant, letters in another order first; or ""."""
    known = list(known)
    close = [k for k in known if sorted(k) == sorted(name)] or get_close_matches(name.lower(), known, 1, 0.7)
    return f"; did you mean {close[0]!r}?" if close else ""


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    if any(name == function.__name__ for function in PLAIN):
        return f"{name!r} has no derivative, so it is not part of an expression"
    own = sorted(TABLE.keys() | COMPOSITES.keys())
    return f"unknown function {name!r}" + (_like(name, known) or f"; for a product write {name}*(...); known: {', '.join(own)}")


def _missing(names: list[str], variables: Mapping[str, Any]) -> str:
    known = functions()
    if names[0] in known:
        return f"{names[0]!r} is a function here: write {names[0]}(...), or give it a value as in {names[0]}=2"
    listed = ", ".join(map(repr, names))
    hint = _like(names[0], [name for name in (*variables, *CONSTANTS) if len(name) > 1]) if len(names) == 1 else ""
    example = " ".join(f"{name}=2" for name in names[:4])
    given = f"given: {', '.join(variables)}" if variables else "none was given"
    return f"no value for {listed}" + (hint or f"; {given}; add {example}")


def _syntax(message: str, text: str) -> str:
    """Python's message on a text that is not an expression, in our words where Python thinks of programs."""
    if "digits" in message:
        return "this number is too large for a float"
    if "=" in message or ("=" in text.replace("==", "") and message == "invalid syntax"):
        return "'=' is not part of an expression; give values after it, as separate arguments: x=2"
    return message
