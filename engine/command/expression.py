"""Expressions as text, such as "tanh(x*w + b)": read with the names of the rule table, and never run as Python.

    parse("tanh(x*w + b)").evaluate({"x": Value(2.0), "w": Value(-3.0), "b": 1.0})

Python's own grammar (`ast`) reads the text.  An expression may contain this, and nothing else:

    numbers          2, .5, 1e-3, and the constants pi, e, inf, nan
    variables        any other name
    operators        + - * / ** @ and the sign
    functions        those of the rule table, by the engine's names and by NumPy's: exp(x), sum(x, axis=0)
    lists, tuples    [1, 2], [[1, 2], [3, x]], (0, 1)
    indexing         x[0], x[:, 1], x[..., ::-1] with constants
    a string         only as the subscripts of einsum

The syntax tree becomes a list of steps for a stack machine.  So Python's recursion limit does not limit how deep
an expression may be nested.
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

LARGEST = 10**8  # an integer argument above this (a length, a count) would need more memory than there is

OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "add"),
    ast.Sub: ("-", "subtract"),
    ast.Mult: ("*", "multiply"),
    ast.Div: ("/", "divide"),
    ast.Pow: ("**", "power"),
    ast.MatMult: ("@", "matmul"),
}

# What Python's grammar accepts and an expression does not, and what to write instead.
REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "attributes are not read here; write a function, as in sum(x) for x.sum(), transpose(x) for x.T, exp(x) for np.exp(x)",
    ast.BitXor: "^ is not an operator here; write ** for a power",
    ast.BoolOp: "and, or and not are not part of an expression",
    ast.Compare: "comparisons are not part of an expression; maximum, minimum, clip, relu and abs choose between numbers",
    ast.FloorDiv: "// has no rule; write floor(x / y)",
    ast.IfExp: "if ... else is not part of an expression; maximum, minimum, clip, relu and abs choose between numbers",
    ast.Mod: "% has no rule; write x - y * floor(x / y)",
    ast.Starred: "* before an argument is not part of an expression; write the arguments out",
    ast.UnaryOp: "before an operand, only the operators + and - have a rule",
    ast.Lambda: "lambda is not part of an expression",
    ast.JoinedStr: "a string is not part of an expression",
    ast.Set: "braces are not part of an expression; write a list, [1, 2], or parentheses",
    ast.Dict: "braces are not part of an expression; write a list, [1, 2], or parentheses",
    ast.Await: "await is not part of an expression",
    **dict.fromkeys(
        (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
        "comprehensions are not part of an expression; functions work on whole arrays",
    ),
    ast.NamedExpr: "an expression cannot assign; give values after it, as in x=2",
}


class ExpressionError(ValueError):
    """What is wrong with an expression, and where: `column` counts from 1."""

    def __init__(self, column: int, message: str):
        super().__init__(f"column {column}: {message}")
        self.column = column


def functions() -> dict[str, Callable[..., Any]]:
    """Every function that an expression can call, by the engine's name and by NumPy's."""
    by_numpys_name = {name: DISPATCH[thing] for name, thing in list(vars(np).items()) if callable(thing) and thing in DISPATCH}
    return by_numpys_name | TABLE | COMPOSITES


# ── evaluating: a stack machine ───────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Step:
    """Take `count` results from the stack, and put apply(*results) on it; for a variable, put apply(its value)."""

    column: int
    apply: Callable[..., Any]
    count: int = 0
    name: str = ""  # the variable's


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that has been read.  `names` maps each variable to the column where it first occurs."""

    text: str
    names: dict[str, int]
    steps: tuple[Step, ...]

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The result: a float, a float64 array, or a Value where one of the variables is a Value.

        Args:
            variables: for each variable a float, an array or a Value.  A variable may have the name of a constant
                (e, pi); then it hides the constant.

        Raises:
            ExpressionError: a variable has no value, or an operation refused its operands.
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
                except Exception as error:  # a function may raise any error for arguments of the wrong kind
                    raise ExpressionError(step.column, _first_line(error)) from error
        return stack.pop()


def _operand(thing: Any) -> Any:
    """A number or a list as an operand.  Integers become floats, so that 9**9**9 is inf and not a huge integer."""
    if isinstance(thing, bool) or thing is None or thing is Ellipsis or isinstance(thing, (str, slice)):
        raise TypeError(f"{thing!r} is not a number")
    if isinstance(thing, int):
        return float(thing)
    if isinstance(thing, (list, tuple)):
        if _contains_values(thing):
            return COMPOSITES["stack"]([_operand(item) for item in thing])
        try:
            return np.array([_operand(item) for item in thing], dtype=float)
        except ValueError:
            raise ValueError("the rows of a list must have one length, and these have several") from None
    return thing


def _contains_values(thing: Any) -> bool:
    return isinstance(thing, (Value, np.ndarray)) or (isinstance(thing, (list, tuple)) and any(map(_contains_values, thing)))


def _operate(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: function(*map(_operand, args))


def _signed(name: str) -> Callable[[Any], Any]:
    """A sign.  The sign of a number gives a number, and keeps integers (axis=-1); any other sign is an operation."""
    function = TABLE[name]

    def apply(thing: Any) -> Any:
        if type(thing) in (int, float):
            return -thing if name == "negative" else thing
        return function(_operand(thing))

    return apply


def _call(name: str, function: Callable[..., Any], count: int, keywords: tuple[Any, ...], leading: tuple[Any, ...]) -> Callable[..., Any]:
    """A call of a function on `leading`, then on `count` positional arguments, then on the arguments named by `keywords`.

    The first positional arguments are operands; the others, such as an axis, are constants.  A primitive has as many operands
    as vjps, and a variadic one takes any number; any other function takes one operand, or a list of several.
    """
    primitive = isinstance(function, Primitive)
    operands = 1 if not isinstance(function, Primitive) else count if function.variadic else len(function.vjps)

    def apply(*args: Any) -> Any:
        if primitive and any(isinstance(arg, Value) for arg in args[operands:]):
            raise TypeError(f"{name}() takes {operands} operand(s); the arguments after them, such as an axis, must be constants")
        if any(type(arg) is int and abs(arg) > LARGEST for arg in args):
            raise MemoryError
        given = list(args[:count])
        for i, arg in enumerate(given[:operands]):
            if primitive or not (isinstance(arg, (list, tuple)) and _contains_values(arg)):
                given[i] = _operand(arg)
        return function(*leading, *given, **dict(zip(keywords, args[count:], strict=True)))

    return apply


def _index(thing: Any, index: Any) -> Any:
    if isinstance(thing, (list, tuple)) and isinstance(index, (int, slice)):
        return thing[index]
    if _contains_values(index):
        raise TypeError("an index must be made of constants, not of variables")
    return COMPOSITES["getitem"](_operand(thing), index)


# ── reading ───────────────────────────────────────────────────────────────────


def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        ExpressionError: the text is not an expression, calls a function that the table does not have, or contains what an
            expression may not contain.  Of several faults, the error tells the leftmost.
    """
    indent = len(text) - len(text.lstrip())
    body = "".join(" " if c in "\r\n\t\f\v" else c for c in text[indent:])
    if "\0" in body:
        raise ExpressionError(indent + body.index("\0") + 1, "a null character is not part of an expression")
    if not body.strip():
        raise ExpressionError(1, 'nothing to compute; give an expression, as in "x**2"')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns about code that will not be run here
            tree = ast.parse(body, mode="eval").body
    except SyntaxError as error:
        ended = error.msg == "invalid syntax" and not error.offset
        column = len(body.rstrip()) + 1 if ended else min(error.offset or 1, len(body) + 1)
        raise ExpressionError(indent + column, "the expression ends too early" if ended else _syntax(error.msg, body)) from None
    except (RecursionError, MemoryError):
        raise ExpressionError(indent + 1, "too long or too deeply nested to read; build it in Python with Value instead") from None
    except ValueError as error:  # half a surrogate pair
        raise ExpressionError(indent + 1, _first_line(error)) from None
    return _Reader(text, indent, body.encode()).read(tree)


class _Reader:
    """From the syntax tree to the steps."""

    def __init__(self, text: str, indent: int, body: bytes):
        self.text, self.indent, self.body = text, indent, body
        self.functions = functions()
        self.names: dict[str, int] = {}

    def read(self, tree: ast.expr) -> Expression:
        """Visit a node before its operands, and its last operand first: this is the order of evaluation, reversed."""
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
        if errors:
            raise min(errors, key=lambda error: error.column)
        finish = Step(self.column(tree.col_offset), _operand, 1)
        return Expression(self.text, dict(sorted(self.names.items(), key=lambda item: item[1])), (*reversed(steps), finish))

    def translate(self, node: Any) -> tuple[Step, list[Any]]:
        """The step of one node, and the nodes whose results it takes."""
        column = self.column(getattr(node, "col_offset", 0))
        match node:
            case None:  # a slice without a lower or upper end, or without a step
                return Step(column, lambda: None), []
            case ast.Constant(value=value):
                return Step(column, _constant(value, column)), []
            case ast.Name(id=name):
                self.names[name] = min(column, self.names.get(name, column))
                return Step(column, _operand, name=name), []
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                return Step(column, _signed("negative" if isinstance(op, ast.USub) else "positive"), 1), [operand]
            case ast.BinOp(left=left, op=op, right=right):
                column = self.column(self.operator_offset(left))
                if type(op) not in OPERATORS:
                    known = " ".join(symbol for symbol, _ in OPERATORS.values())
                    raise ExpressionError(column, REFUSED.get(type(op), f"this operator has no rule; known: {known}"))
                return Step(column, _operate(TABLE[OPERATORS[type(op)][1]]), 2), [left, right]
            case (ast.Attribute(attr=name) as attribute) | ast.Call(func=ast.Attribute(attr=name) as attribute):
                raise ExpressionError(self.column((attribute.end_col_offset or 0) - len(name.encode())), REFUSED[ast.Attribute])
            case ast.Call():
                return self.translate_call(node, column)
            case ast.Subscript(value=value, slice=index):
                return Step(column, _index, 2), [value, index]
            case ast.Slice(lower=lower, upper=upper, step=step):
                return Step(column, slice, 3), [lower, upper, step]
            case ast.Tuple(elts=items):
                return Step(column, lambda *args: args, len(items)), items
            case ast.List(elts=items):
                return Step(column, lambda *args: list(args), len(items)), items
        raise ExpressionError(column, REFUSED.get(type(node), f"{type(node).__name__} is not part of an expression"))

    def translate_call(self, call: ast.Call, column: int) -> tuple[Step, list[Any]]:
        """The step of a call, and its arguments' nodes."""
        if not isinstance(call.func, ast.Name):
            raise ExpressionError(column, "only a function can be called, and by its name; for a product write *")
        name = call.func.id
        if name not in self.functions:
            raise ExpressionError(column, _unknown(name, self.functions))
        for keyword in call.keywords:
            if keyword.arg is None:
                raise ExpressionError(self.column(keyword.col_offset), "** before an argument is not part of an expression")
        positional = call.args
        subscripts: tuple[str, ...] = ()
        match name, positional:
            case "einsum", [ast.Constant(value=str(text)), *rest]:
                positional, subscripts = rest, (text,)
        apply = _call(name, self.functions[name], len(positional), tuple(keyword.arg for keyword in call.keywords), subscripts)
        operands = [*positional, *(keyword.value for keyword in call.keywords)]
        return Step(column, apply, len(operands)), operands

    def column(self, offset: int) -> int:
        """The column in the text, from an offset in bytes as `ast` gives it."""
        return self.indent + len(self.body[:offset].decode()) + 1

    def operator_offset(self, left: ast.expr) -> int:
        """Where an operator stands: after its left operand, spaces and closing parentheses."""
        end = left.end_col_offset or 0
        rest = self.body[end:]
        return end + len(rest) - len(rest.lstrip(b" )"))


def _constant(value: Any, column: int) -> Callable[[], Any]:
    if isinstance(value, int) and abs(value) >= 1 << 1023:
        raise ExpressionError(column, "this number is too large for a float")
    if value is None or value is Ellipsis or isinstance(value, (int, float)):
        return lambda: value
    kind = "a complex number" if isinstance(value, complex) else "a string"
    raise ExpressionError(column, f"{kind} is not part of an expression; use real numbers, names, operators and functions")


# ── error messages ────────────────────────────────────────────────────────────


def _first_line(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if "leave the graph" in line:  # a Value was used as an integer
        return "an argument that must be a constant, such as an axis or a length, contains a variable"
    return line


def _like(name: str, known: Iterable[str]) -> str:
    """A hint to a known name with the same letters, else to a similar one; "" if there is none."""
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
    """Python's message on a text that is not an expression; in other words where Python's are about programs."""
    if "digits" in message:
        return "this number is too large for a float"
    if "=" in message or ("=" in text.replace("==", "") and message == "invalid syntax"):
        return "'=' is not part of an expression; give values after it, as separate arguments: x=2"
    return message
