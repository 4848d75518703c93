"""The rule table: what a primitive is, and the list of all of them.

A primitive is an operation whose derivative is known.  Its entry holds the forward function and, for
each operand x, one *vector-Jacobian product*

    vjp(g, out, *operands, **params)  =  g · ∂out/∂x

where g is the cotangent of the output (the gradient flowing back) and has the output's shape.  A vjp is
written with operators and NumPy functions only, so the same line runs on Python floats, on ndarrays and
on Values; run on Values it is recorded, and can be differentiated again.  A vjp never undoes
broadcasting: the chain rule in `engine.backprop` does that, once, for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from . import floats

__all__ = ["COMPOSITES", "DISPATCH", "PLAIN", "TABLE", "Case", "Kink", "Primitive", "composite", "plain", "primitive"]


class Kink(NamedTuple):
    """A set of points without a derivative, and what the rule says there."""

    where: str  # in words: "x = 0"
    value: str  # the derivative by convention: "0"
    distance: Callable[..., Any]  # (*operands, **params) -> how far from the kink; 0 on it


class Case(NamedTuple):
    """One way to call a primitive: the shapes of its operands, and its parameters."""

    shapes: tuple[tuple[int, ...], ...]
    params: dict[str, Any] = {}


TABLE: dict[str, Primitive] = {}  # name -> primitive
COMPOSITES: dict[str, Callable[..., Any]] = {}  # name -> a function made of primitives, with no rule of its own
DISPATCH: dict[Any, Callable[..., Any]] = {}  # NumPy's function -> what runs instead when it meets a Value
PLAIN: set[Any] = set()  # NumPy functions that answer with plain data: comparisons, argmax, shape, ...

REALS = (-np.inf, np.inf)


class Primitive:
    """An operation and its derivative; call it like the NumPy function that it is.

    Attributes:
        name: the engine's name, unique in the table.
        symbol: what a drawn node shows, "+" for add.
        forward: f(*operands, **params) on floats and ndarrays.
        vjps: one per operand; None where an operand is never differentiated.  A single function
            with the keyword `argnum` serves a primitive with any number of operands (`variadic`); with the
            keyword `argnums` it gives a list, so that n operands cost n parts, not n wholes.
        domain: for each operand the open interval on which the function is defined and smooth.
        kinks: where it has no derivative, and what the vjps say there.
        cases: shapes and parameters that exercise the rule; elementwise primitives need none.
        sum_back: for a unary primitive whose vjp is mostly zeros, the sum of the vjps of several nodes with the
            operand x, sum_back(gs, x, params of each); reading n parts of x then costs n parts, not n wholes.
            Both may read the shape of x only: it is not noticed if the user has written to x in between.
        built_in: whether the table came with it; those vjps never return an operand's array itself.
    """

    built_in = False

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        vjps: Sequence[Callable[..., Any] | None],
        *,
        symbol: str | None = None,
        variadic: bool = False,
        elementwise: bool = False,
        domain: Sequence[tuple[float, float]] | None = None,
        kinks: Sequence[Kink] = (),
        cases: Sequence[Case] = (),
        sum_back: Callable[..., Any] | None = None,
        doc: str = "",
    ):
        self.name = self.__name__ = name
        self.symbol = symbol or name
        self.forward = forward
        self.vjps = tuple(vjps)
        self.variadic = variadic
        self.elementwise = elementwise
        self.domain = tuple(domain) if domain else (REALS,) * len(self.vjps)
        self.kinks = tuple(kinks)
        self.cases = tuple(cases)
        self.sum_back = sum_back
        self.__doc__ = doc
        rule = getattr(self.vjps[0], "__code__", None) if variadic else None
        self.at_once = rule is not None and "argnums" in rule.co_varnames[: rule.co_argcount + rule.co_kwonlyargcount]
        # What runs when every operand is a Python float; `bind_float_math` puts faster ones here.
        self.float_forward, self.float_vjps = forward, self.vjps
        # How `engine.fast` records it if it has one or two operands: the method of the first operand, and of the second.
        self.fast: tuple[Any, Any] = (None, None)
        code = getattr(forward, "__code__", None)
        self.params = code.co_varnames[len(self.vjps) : code.co_argcount + code.co_kwonlyargcount] if code and not variadic else ()

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Apply to floats, arrays or Values; operands first, then the parameters in NumPy's order."""
        if params or len(args) != len(self.vjps):
            args = self._bind(args, params)
        for arg in args:
            if record := getattr(type(arg), "__record__", None):
                return record(self, args, params)
        if self.elementwise and all(type(arg) is float for arg in args):
            return self.on_floats(self.float_forward, self.forward, args, params)
        return self.forward(*args, **params)

    def _bind(self, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, ...]:
        """The operands alone; parameters that stood behind them go into `params`, and all are checked."""
        if self.variadic:
            return args
        arity = len(self.vjps)
        if len(args) < arity:
            raise TypeError(f"{self.name}() needs {arity} operand(s), got {len(args)}")
        if len(args) - arity > len(self.params):
            raise TypeError(f"{self.name}() takes {arity} operand(s) and {len(self.params)} parameter(s), got {len(args)} arguments")
        if len(args) > arity:
            params.update(zip(self.params, args[arity:], strict=False))
        for key in params:
            if key not in self.params:
                raise TypeError(f"{self.name}() has no parameter {key!r} here; it takes {', '.join(self.params) or 'none'}")
        return args[:arity]

    @staticmethod
    def on_floats(fast: Callable[..., Any], full: Callable[..., Any], args: Sequence[Any], params: dict[str, Any]) -> Any:
        """fast(*args) on Python floats, or NumPy's answer (inf or nan, and its warning) where Python has none."""
        try:
            result = fast(*args, **params)
        except (ArithmeticError, ValueError):
            result = None
        if result is None or type(result) is complex:  # 1/0.0, math.log(-1.0); (-8.0) ** 0.5
            result = full(*map(np.float64, args), **params)
        return result if type(result) is float else float(result)

    def vjp(self, argnum: int) -> Callable[..., Any] | None:
        """The rule for one operand, as vjp(g, out, *operands, **params)."""
        if not self.variadic:
            return self.vjps[argnum]
        rule: Any = self.vjps[0]
        if self.at_once:
            return lambda g, out, *args, **params: rule(g, out, *args, argnums=[argnum], **params)[0]
        return lambda g, out, *args, **params: rule(g, out, *args, argnum=argnum, **params)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_by_name, (self.name,))


def _by_name(name: str) -> Primitive:
    """A pickled primitive, which is the one that bears its name where it is loaded."""
    return TABLE[name]


def primitive(name: str, forward: Callable[..., Any], *vjps: Callable[..., Any] | None, numpy: Any = None, **entry: Any) -> Primitive:
    """Enter a primitive in the table, and return it: a function of floats, arrays and Values.

        cube = primitive("cube", lambda x: x**3, lambda g, out, x: 3 * g * x**2)

    Args:
        name: the engine's name; entering a name of your own again replaces the rule.
        forward: f(*operands, **params) in NumPy.
        vjps: for each operand g · ∂out/∂operand, as vjp(g, out, *operands, **params).
        numpy: NumPy's function(s) that shall mean this primitive when called on a Value; a ufunc
            given as `forward` does so by itself.
        entry: symbol, variadic, elementwise, domain, kinks, cases, sum_back, doc: see `Primitive`.

    Raises:
        ValueError: the name, or NumPy's function, already means a rule or a composite that came with the engine.
    """
    if not vjps:
        raise TypeError(f"primitive {name!r} needs one vjp per operand: primitive(name, forward, vjp, ...)")
    if name in COMPOSITES or (name in TABLE and TABLE[name].built_in):  # methods and operators would keep the old rule
        raise ValueError(f"{name!r} is a function of the engine; enter your rule under a name of its own, such as 'my_{name}'")
    functions = list(numpy) if isinstance(numpy, tuple) else [numpy] if numpy else []
    if isinstance(forward, np.ufunc):
        entry.setdefault("elementwise", True)
        functions.append(forward)
    for function in functions:
        meant = DISPATCH.get(function)
        if meant and getattr(meant, "built_in", True):
            raise ValueError(
                f"np.{function.__name__} already means the engine's {meant.__name__!r}; "
                f"give primitive {name!r} a function of your own, such as lambda *xs: np.{function.__name__}(*xs)"
            )
    made = TABLE[name] = Primitive(name, forward, vjps, **entry)
    DISPATCH.update(dict.fromkeys(functions, made))
    return made


def composite(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: a function made of primitives, which stands for NumPy's `functions` when one meets a Value."""

    def enter(made: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSITES[made.__name__] = made
        DISPATCH.update(dict.fromkeys(functions, made))
        return made

    return enter


def plain(*functions: Any) -> None:
    """These NumPy functions answer with plain data: no derivative, or none that isn't zero."""
    PLAIN.update(functions)


def bind_float_math() -> None:
    """Give every elementwise entry a second version for Python floats: the same code, in which `np` is `floats`.

    A NumPy call on a float costs ten times as much as one of `math`, and scalar graphs consist of such calls.
    """
    float_globals: dict[int, dict[str, Any]] = {}

    def on_math(rule: Any) -> Any:
        if isinstance(rule, np.ufunc):
            return getattr(floats, rule.__name__)
        names = float_globals.setdefault(id(rule.__globals__), rule.__globals__ | {"np": floats})
        return FunctionType(rule.__code__, names, rule.__name__, rule.__defaults__, rule.__closure__)

    for entry in TABLE.values():
        entry.built_in = True
        if entry.elementwise:
            entry.float_forward = on_math(entry.forward)
            entry.float_vjps = tuple(map(on_math, entry.vjps))
