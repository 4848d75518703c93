"""A hundred rules, each with one mistake that people make or that an adversary would.

`rules()` gives (name, make) pairs; make() enters a fresh primitive.  What is wrong with a rule is its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import engine
from engine.primitives import Case, Kink, Primitive

Rule = Callable[..., Any]
Entry = tuple[str, Callable[[], Primitive]]

POSITIVE = (0.0, np.inf)
REAL = (-np.inf, np.inf)
ZERO = Kink("x = 0", "0", lambda x: x)


def rule(name: str, forward: Rule, *vjps: Rule | None, **entry: Any) -> Entry:
    return name, lambda: Primitive("wrong", forward, vjps, **entry)


def only_where(where: Callable[[Any], Any], factor: float = 1.5) -> tuple[Rule, Rule]:
    """sin, with a derivative that is off by a factor where a condition holds."""
    return np.sin, lambda g, out, x: g * np.cos(x) * np.where(where(x), factor, 1.0)


def opened(g: Any, axis: Any, keepdims: bool = False) -> Any:
    """A reduction's cotangent, with the axes that it lost."""
    return g if keepdims or axis is None else np.expand_dims(g, axis)


# ── the formula ───────────────────────────────────────────────────────────────


def formulas() -> list[Entry]:
    two = {"domain": [REAL, POSITIVE]}
    return [
        rule("x³ without its 3", lambda x: x**3, lambda g, out, x: g * x**2),
        rule("cos with the sign of sin'", lambda x: np.cos(x), lambda g, out, x: g * np.sin(x)),
        rule("a product's second term missing", lambda x: x * np.exp(x), lambda g, out, x: g * x * np.exp(x)),
        rule("tanh with 1 - out", lambda x: np.tanh(x), lambda g, out, x: g * (1.0 - out)),
        rule("log10 without ln 10", lambda x: np.log10(x), lambda g, out, x: g / x, domain=[POSITIVE]),
        rule("sqrt without its 2", lambda x: np.sqrt(x), lambda g, out, x: g / out, domain=[POSITIVE]),
        rule("off by 1e-7", lambda x: np.exp(x), lambda g, out, x: g * out * (1.0 + 1e-7)),
        rule("an additive 1e-6", lambda x: np.sin(x), lambda g, out, x: g * (np.cos(x) + 1e-6)),
        rule("degrees for radians", lambda x: np.sin(np.deg2rad(x)), lambda g, out, x: g * np.cos(np.deg2rad(x))),
        rule("a numerical derivative", lambda x: np.exp(x), lambda g, out, x: g * (np.exp(x + 1e-4) - np.exp(x)) / 1e-4),
        rule("x / y: the vjps swapped", lambda x, y: x / y, lambda g, out, x, y: -g * x / y**2, lambda g, out, x, y: g / y, **two),
        rule("x / y: y not squared", lambda x, y: x / y, lambda g, out, x, y: g / y, lambda g, out, x, y: -g * x / y, **two),
        rule("x - y: no minus", lambda x, y: x - y, lambda g, out, x, y: g, lambda g, out, x, y: g),
        rule(
            "x ** y: log of y",
            lambda x, y: x**y,
            lambda g, out, x, y: g * y * x ** (y - 1.0),
            lambda g, out, x, y: g * out * np.log(y),
            domain=[POSITIVE, POSITIVE],
        ),
        rule("softplus: derivative of relu", lambda x: np.logaddexp(0.0, x), lambda g, out, x: g * (x > 0)),
        rule("gelu: without its second term", lambda x: x * engine.sigmoid(1.702 * x), lambda g, out, x: g * engine.sigmoid(1.702 * x)),
        rule("softmax as if elementwise", lambda x: engine.softmax(x), lambda g, out, x: g * out * (1.0 - out), cases=[Case(((3,),))]),
        rule(
            "logsumexp's softmax over another axis",
            lambda x: engine.logsumexp(x, axis=0),
            lambda g, out, x: g * engine.softmax(x, axis=1),
            cases=[Case(((2, 3),))],
        ),
    ]


# ── only somewhere ────────────────────────────────────────────────────────────


def places() -> list[Entry]:
    def far_exp(g: Any, out: Any, x: Any) -> Any:
        return g * np.where(np.absolute(x) > 25.0, 0.0, out)

    return [
        rule("below 1e-4", *only_where(lambda x: np.absolute(x) < 1e-4)),
        rule("from -1e-4 to 0", *only_where(lambda x: (x < 0) & (x > -1e-4))),
        rule("beyond 25", *only_where(lambda x: np.absolute(x) > 25.0)),
        rule("beyond 500", *only_where(lambda x: np.absolute(x) > 500.0)),
        rule("from 10 to 15", *only_where(lambda x: (x > 10.0) & (x < 15.0))),
        rule("from 40 to 50", *only_where(lambda x: (x > 40.0) & (x < 50.0), -1.0)),
        rule("negative numbers", *only_where(lambda x: x < 0)),
        rule("exp cut off at 25", lambda x: np.exp(x), far_exp),
        rule("at 1", *only_where(lambda x: x == 1.0)),
        rule("at 0", *only_where(lambda x: x == 0.0)),
        rule("at -0.0", *only_where(lambda x: (x == 0) & np.signbit(x))),
        rule("reciprocal of |x| + 1e-3", lambda x: np.log(x), lambda g, out, x: g / (np.absolute(x) + 1e-3), domain=[POSITIVE]),
        rule("clipped to ±5", lambda x: x * x, lambda g, out, x: g * np.clip(2.0 * x, -5.0, 5.0)),
        rule(
            "y beyond 3",
            lambda x, y: x * y,
            lambda g, out, x, y: g * y,
            lambda g, out, x, y: g * x * np.where(np.absolute(y) > 3.0, 1.1, 1.0),
        ),
    ]


# ── overflow and lost digits ──────────────────────────────────────────────────


def overflows() -> list[Entry]:
    def naive_softmax(g: Any, out: Any, x: Any) -> Any:
        p = np.exp(x) / np.sum(np.exp(x))
        return p * (g - np.sum(g * p))

    return [
        rule("eˣ/(1+eˣ)", lambda x: engine.sigmoid(x), lambda g, out, x: g * np.exp(x) / (1.0 + np.exp(x)) ** 2),
        rule("e⁻ˣ/(1+e⁻ˣ)²", lambda x: engine.sigmoid(x), lambda g, out, x: g * np.exp(-x) / (1.0 + np.exp(-x)) ** 2),
        rule("softplus' as eˣ/(1+eˣ)", lambda x: np.logaddexp(0.0, x), lambda g, out, x: g * np.exp(x) / (1.0 + np.exp(x))),
        rule("1/cosh² by its square", lambda x: np.tanh(x), lambda g, out, x: g * (np.sinh(x) / np.cosh(x) / out - out**2)),
        rule("log cosh' as sinh/cosh", lambda x: np.logaddexp(x, -x), lambda g, out, x: g * np.sinh(x) / np.cosh(x)),
        rule(
            "softmax without its shift",
            lambda x: engine.softmax(800.0 * x),
            lambda g, out, x: 800.0 * naive_softmax(g, out, 800.0 * x),
            cases=[Case(((3,),))],
        ),
    ]


# ── state, writing, purity ────────────────────────────────────────────────────


def impure() -> list[Entry]:
    def last_mask() -> Primitive:
        seen: dict[str, Any] = {}

        def forward(x: Any) -> Any:
            seen["mask"] = np.asarray(x) > 0
            return np.where(seen["mask"], x, 0.1 * x)

        kink = Kink("x = 0", "0.1 from the left", lambda x: x)
        return Primitive("wrong", forward, [lambda g, out, x: g * np.where(seen["mask"], 1.0, 0.1)], kinks=[kink])

    def last_operand() -> Primitive:
        seen: dict[str, Any] = {}

        def forward(x: Any) -> Any:
            seen["x"] = x
            return x * x

        return Primitive("wrong", forward, [lambda g, out, x: 2.0 * g * seen["x"]], elementwise=True)

    def first_operand() -> Primitive:
        seen: dict[tuple[int, ...], Any] = {}
        return Primitive("wrong", lambda x: x * x, [lambda g, out, x: 2.0 * g * seen.setdefault(np.shape(x), x)])

    def reused_buffer() -> Primitive:
        buffers: dict[tuple[int, ...], Any] = {}

        def forward(x: Any) -> Any:
            x = np.asarray(x)
            return np.multiply(x, x, out=buffers.setdefault(x.shape, np.empty(x.shape, x.dtype)), casting="unsafe")

        return Primitive("wrong", forward, [lambda g, out, x: 2.0 * g * x])

    def reused_gradient() -> Primitive:
        buffers: dict[tuple[int, ...], Any] = {}

        def vjp(g: Any, out: Any, x: Any) -> Any:
            if isinstance(g, engine.Value) or isinstance(x, engine.Value):
                return 2.0 * g * x
            made = np.asarray(2.0 * np.asarray(g) * np.asarray(x))
            kept = buffers.setdefault(made.shape, np.empty(made.shape))
            kept[...] = made
            return kept

        return Primitive("wrong", lambda x: x * x, [vjp])

    def counting() -> Primitive:
        calls = [0]

        def vjp(g: Any, out: Any, x: Any) -> Any:
            calls[0] += 1
            return 2.0 * g * x * (1.0 + 1e-3 * (calls[0] % 7 == 0))

        return Primitive("wrong", lambda x: x * x, [vjp])

    def random_forward() -> Primitive:
        rng = np.random.default_rng(0)
        return Primitive("wrong", lambda x: x * x * (1.0 + 1e-6 * rng.random()), [lambda g, out, x: 2.0 * g * x])

    def writes(condition: Callable[[Any], bool]) -> Rule:
        def forward(x: Any) -> Any:
            if isinstance(x, np.ndarray) and x.ndim and condition(x):
                result = x * x
                x *= 0.5
                return result
            return x * x

        return forward

    def g_times(g: Any, out: Any, x: Any) -> Any:
        if isinstance(g, np.ndarray) and g.ndim and g.size > 20:
            g *= 2.0
            return g * x
        return 2.0 * g * x

    def out_times(g: Any, out: Any, x: Any) -> Any:
        if isinstance(out, np.ndarray) and out.ndim:
            out *= 2.0
            return g * out / 2.0
        return g * out

    return [
        ("the mask of the last call", last_mask),
        ("the operand of the last call", last_operand),
        ("the operand of the first call", first_operand),
        ("a result in a reused buffer", reused_buffer),
        ("a gradient in a reused buffer", reused_gradient),
        ("every seventh call is off", counting),
        ("a random forward", random_forward),
        rule("writes into x", writes(lambda x: True), lambda g, out, x: 2.0 * g * x),
        rule("writes into a large x", writes(lambda x: x.size > 20), lambda g, out, x: 2.0 * g * x),
        rule("writes into large numbers", writes(lambda x: bool(np.max(np.absolute(x), initial=0.0) > 3.5)), lambda g, out, x: 2.0 * g * x),
        rule("writes into a large g", lambda x: x * x, g_times),
        rule("writes into out", lambda x: np.exp(x), out_times),
    ]


# ── the cotangent ─────────────────────────────────────────────────────────────


def cotangents() -> list[Entry]:
    return [
        rule("forgets g", lambda x: np.sin(x), lambda g, out, x: np.cos(x) + 0.0 * g),
        rule("g squared", lambda x: np.sin(x), lambda g, out, x: g * g * np.cos(x)),
        rule("|g|", lambda x: np.sin(x), lambda g, out, x: np.absolute(g) * np.cos(x)),
        rule("g clipped at 10", lambda x: np.sin(x), lambda g, out, x: np.clip(g, -10.0, 10.0) * np.cos(x)),
        rule("g clipped at 1000", lambda x: np.sin(x), lambda g, out, x: np.clip(g, -1e3, 1e3) * np.cos(x)),
        rule("small g are 0", lambda x: np.sin(x), lambda g, out, x: np.where(np.absolute(g) < 1e-6, 0.0, g) * np.cos(x)),
        rule("NaN where g is 0", lambda x: np.sin(x), lambda g, out, x: g * g / g * np.cos(x)),
        rule("g divided by its norm", lambda x: np.sin(x), lambda g, out, x: g / (1.0 + 1e-3 * np.sum(g * g)) * np.cos(x)),
        rule("g plus 1e-5", lambda x: np.sin(x), lambda g, out, x: (g + 1e-5) * np.cos(x)),
        rule("g averaged", lambda x: np.sin(x), lambda g, out, x: np.mean(g) * np.cos(x) + 0.0 * g),
        rule("g reversed", lambda x: np.sin(x), lambda g, out, x: np.reshape(np.reshape(g, (-1,))[::-1], np.shape(x)) * np.cos(x)),
    ]


# ── shapes ────────────────────────────────────────────────────────────────────


def shapes() -> list[Entry]:
    def of_ndim(limit: int) -> tuple[Rule, Rule]:
        return np.sin, lambda g, out, x: g * np.cos(x) * (1.0 if np.ndim(x) < limit else 2.0)

    def of_size(limit: int) -> tuple[Rule, Rule]:
        return np.sin, lambda g, out, x: g * np.cos(x) * (1.0 if np.size(x) <= limit else 2.0)

    def column(g: Any, out: Any, x: Any, y: Any) -> Any:  # broadcasting undone, over the wrong axis
        if np.ndim(x) == 2 and np.shape(x)[1] == 1 and np.shape(g) != np.shape(x) and np.shape(g)[0] == np.shape(g)[1]:
            return np.reshape(np.sum(g * y, axis=0), np.shape(x))
        return g * y

    def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return np.mean(x, axis=axis, keepdims=keepdims)

    def mean_vjp(g: Any, out: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        n = np.size(x) if axis is None else np.shape(x)[axis]
        g = opened(g, axis, keepdims=False) if not keepdims else g * (1.0 if axis is None else 2.0)
        return g / n + 0.0 * x

    def total(x: Any, axis: Any = 0) -> Any:
        return np.sum(np.sin(x), axis=axis)

    def total_vjp(g: Any, out: Any, x: Any, axis: Any = 0) -> Any:
        return opened(g, axis if axis >= 0 else 0) * np.cos(x)

    def joined(g: Any, out: Any, *args: Any, argnum: int) -> Any:
        return g[argnum] * (1.0 if argnum < 2 else 2.0)

    matrices = [Case(((2, 3), (3, 2)))]
    square = [Case(((3, 3), (3, 3)))]

    def of_sixth(g: Any, out: Any, *args: Any, argnum: int) -> Any:
        return 2.0 * g * args[argnum] * (argnum < 5)

    def total_exp(x: Any) -> Any:
        return np.log(np.sum(np.exp(x - np.max(x)))) + np.max(x)

    return [
        rule("six operands", lambda *xs: sum(x * x for x in xs), of_sixth, variadic=True, cases=[Case(((3,), (3,)))]),
        rule("logsumexp of large numbers", total_exp, lambda g, out, x: g * np.exp(x) / np.sum(np.exp(x)), cases=[Case(((3,),))]),
        rule("from 3 dimensions", *of_ndim(3)),
        rule("from 2 dimensions", *of_ndim(2)),
        rule("above 6 elements", *of_size(6)),
        rule("above 100 elements", *of_size(100)),
        rule("a column against a square", lambda x, y: x * y, column, lambda g, out, x, y: g * x),
        rule("a sum of all of g", lambda x, y: x * y, lambda g, out, x, y: np.sum(g * y), lambda g, out, x, y: g * x),
        rule("matmul: not transposed", np.matmul, lambda g, out, x, y: g @ y, lambda g, out, x, y: x @ g, cases=square),
        rule("matmul: operands swapped", lambda x, y: x @ y, lambda g, out, x, y: (x @ g).T, lambda g, out, x, y: x.T @ g, cases=square),
        rule("matmul: the second is 0", lambda x, y: x @ y, lambda g, out, x, y: g @ y.T, lambda g, out, x, y: 0.0 * y, cases=matrices),
        rule("mean: keepdims with an axis", mean, mean_vjp),
        rule("sum: a negative axis", total, total_vjp),
        rule("mean: not divided", lambda x: np.mean(x), lambda g, out, x: g + 0.0 * x),
        rule("stack: the third operand", lambda *xs: np.stack(xs), joined, variadic=True, cases=[Case(((2,), (2,)))]),
        rule("transpose: not undone", lambda x: np.transpose(x), lambda g, out, x: g, cases=[Case(((3, 3),))]),
        rule("reverse: not undone", lambda x: x[::-1], lambda g, out, x: g, cases=[Case(((4,),))]),
        rule("roll: undone the wrong way", lambda x: np.roll(x, 1), lambda g, out, x: np.roll(g, 1), cases=[Case(((4,),))]),
        rule("cumsum: forward again", lambda x: np.cumsum(x), lambda g, out, x: np.cumsum(g), cases=[Case(((4,),))]),
    ]


# ── parameters and dtypes ─────────────────────────────────────────────────────


def parameters() -> list[Entry]:
    def scaled(x: Any, a: float = 1.0) -> Any:
        return np.sin(a * x)

    def power(x: Any, n: int = 2) -> Any:
        return x**n

    def flagged(x: Any, squared: bool = False) -> Any:
        return x * x if squared else np.sin(x)

    def single(x: Any) -> bool:
        return bool(getattr(x, "dtype", None) == np.float32)

    def half(x: Any) -> bool:
        return bool(getattr(x, "dtype", None) == np.float16)

    return [
        rule("a parameter forgotten", scaled, lambda g, out, x, a=1.0: g * np.cos(a * x)),
        rule("a power's parameter fixed", power, lambda g, out, x, n=2: 2.0 * g * x),
        rule("a flag ignored", flagged, lambda g, out, x, squared=False: g * np.cos(x)),
        rule("off in float32", lambda x: np.sin(x), lambda g, out, x: g * np.cos(x) * (1.5 if single(x) else 1.0)),
        rule("the sign in float32", lambda x: np.sin(x), lambda g, out, x: g * np.cos(x) * (-1.0 if single(x) else 1.0)),
        rule("off in float16", lambda x: np.sin(x), lambda g, out, x: g * np.cos(x) * (1.5 if half(x) else 1.0)),
        rule("the sign in float16", lambda x: np.sin(x), lambda g, out, x: g * np.cos(x) * (-1.0 if half(x) else 1.0)),
        rule("float64 of float32", lambda x: np.sin(x) * np.float64(2.0), lambda g, out, x: 2.0 * g * np.cos(x)),
    ]


# ── differentiated again; kinks and domains ───────────────────────────────────


def orders() -> list[Entry]:
    def again(wrong: float) -> Primitive:
        """sin, whose derivative is a rule with a wrong derivative."""
        cosine = Primitive("cosine", lambda x: np.cos(x), [lambda g, out, x: -g * np.sin(x) * wrong])
        return Primitive("wrong", lambda x: np.sin(x), [lambda g, out, x: g * cosine(x)])

    def twice(wrong: float) -> Primitive:
        """sin, whose derivative's derivative is a rule with a wrong derivative."""
        sine = Primitive("sine", lambda x: np.sin(x), [lambda g, out, x: g * np.cos(x) * wrong])
        cosine = Primitive("cosine", lambda x: np.cos(x), [lambda g, out, x: -g * sine(x)])
        return Primitive("wrong", lambda x: np.sin(x), [lambda g, out, x: g * cosine(x)])

    def stopped(g: Any, out: Any, x: Any) -> Any:
        return 2.0 * g * engine.stop_gradient(x)

    bent, wide = Kink("x = 1", "0", lambda x: x - 1.0), Kink("|x| < 0.1", "0", lambda x: np.maximum(np.absolute(x) - 0.1, 0.0))
    return [
        ("the second derivative by a factor", lambda: again(1.1)),
        ("the second derivative's sign", lambda: again(-1.0)),
        ("the third derivative by a factor", lambda: twice(1.1)),
        ("the third derivative's sign", lambda: twice(-1.0)),
        rule("lost when differentiated again", lambda x: x * x, stopped),
        rule("a kink undeclared", lambda x: np.absolute(x), lambda g, out, x: g * np.sign(x)),
        rule("a kink at 6 undeclared", lambda x: np.clip(x, 0.0, 6.0), lambda g, out, x: g * ((x > 0) & (x < 6.0)), kinks=[ZERO]),
        rule("a kink that hides an interval", np.tanh, lambda g, out, x: g * (1.0 - out**2) * (np.absolute(x) > 0.1), kinks=[wide]),
        rule("relu'(0) = 1, declared 0", lambda x: np.maximum(x, 0.0), lambda g, out, x: g * (x >= 0), kinks=[ZERO]),
        rule("a kink that is none", lambda x: x**3, lambda g, out, x: 3.0 * g * x**2, kinks=[bent]),
        rule("a domain too wide", lambda x: np.log(x), lambda g, out, x: g / x),
        rule(
            "max: ties get all",
            lambda x: np.max(x),
            lambda g, out, x: g * (x == out),
            cases=[Case(((3,),))],
            kinks=[Kink("a tie", "shared evenly", lambda x: np.sort(x)[-1] - np.sort(x)[-2])],
        ),
    ]


def rules() -> list[Entry]:
    return [*formulas(), *places(), *overflows(), *impure(), *cotangents(), *shapes(), *parameters(), *orders()]
