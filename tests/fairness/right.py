"""Right gradients and right rules that a checker may take for wrong ones: functions that saturate, cancel, bend or oscillate.

`functions()` gives (name, f, args, grad); grad is None where the engine differentiates f.  Each derivative was compared
with that of mpmath at 220 digits.  `rules()` gives (name, make) pairs; make() enters the primitive.
"""

import math

import numpy as np

import engine
from engine.primitives import Case, Kink, Primitive

A = np.array


def _matrices(n, size, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(size, size)) * scale / math.sqrt(size) for _ in range(n)]


def _chain(step, n):
    def f(x):
        for _ in range(n):
            x = step(x)
        return x

    return f


def _newton_sqrt(a):
    x = a
    for _ in range(20):
        x = 0.5 * (x + a / x)
    return x


def _matmul_chain(x):
    for m in _matrices(30, 5, 1):
        x = m @ x
    return x


_HILBERT = 1.0 / (np.arange(6.0)[:, None] + np.arange(6.0) + 1.0)


def _hilbert(x):
    return np.sum((_HILBERT @ (_HILBERT @ x)) ** 2)


def _cross_entropy(logits):
    log_p = engine.log_softmax(logits, axis=-1)
    return -np.sum(log_p[np.arange(3), A([1, 0, 3])]) / 3.0


def _entropy(x):
    log_p = engine.log_softmax(x)
    return -np.sum(np.exp(log_p) * log_p)


def _scaled_dot(q, k, v):
    return engine.softmax(q @ k.T * 10.0, axis=-1) @ v


def _one_minus_cos(x):
    return (1.0 - np.cos(x)) / x**2


def _one_minus_cos_slope(x):  # -x/12 + x³/180 - x⁵/6720: enough for |x| <= 1e-2
    return -x / 12 + x**3 / 180 - x**5 / 6720


def _sqrt_gap(x):
    return np.sqrt(x + 1.0) - np.sqrt(x)


def _sqrt_gap_slope(x):
    a, b = math.sqrt(x + 1.0), math.sqrt(x)
    return -0.5 / (a * b * (a + b))


def _fft_energy(x):
    return np.sum(np.abs(np.fft.fft(x)) ** 2)


def functions():
    e = engine
    rng = np.random.default_rng(0)
    small, tall = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    f32 = rng.normal(size=6).astype(np.float32)
    m32, n32 = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=(4, 2)).astype(np.float32)
    many = rng.normal(size=600)
    spd = small @ small.T + 0.1 * np.eye(3)
    return [
        # ── very large, very small ──
        ("log at 1e-300", np.log, (1e-300,), None),
        ("sqrt at 1e300", np.sqrt, (1e300,), None),
        ("cbrt at 1e-200", np.cbrt, (1e-200,), None),
        ("1/x at 1e-150", lambda x: 1.0 / x, (1e-150,), None),
        ("x*y at 1e-300, 1e300", lambda x, y: x * y, (1e-300, 1e300), None),
        ("hypot at 3e200, 4e200", np.hypot, (3e200, 4e200), None),
        ("exp(-x) at 700", lambda x: np.exp(-x), (700.0,), None),
        ("x**31 at 1e-9", lambda x: x**31, (1e-9,), None),
        ("1e-250*sin(x)", lambda x: 1e-250 * np.sin(x), (1.3,), None),
        ("x/(1+x) at 1e12", lambda x: x / (1.0 + x), (1e12,), lambda x: 1.0 / (1.0 + x) ** 2),
        # ── flat regions ──
        ("erf at 5.5", e.erf, (5.5,), None),
        ("tanh at 18", np.tanh, (18.0,), None),
        ("sigmoid at 40", e.sigmoid, (40.0,), None),
        ("exp(-100x^2) at 1", lambda x: np.exp(-100.0 * x * x), (1.0,), None),
        ("gelu at -10", e.gelu, (-10.0,), None),
        ("relu sums on a plateau", lambda x: e.relu(x - 5.0) + 3.0 * e.relu(x - 8.0) + 1.0, (1.0,), None),
        ("far step above a slope", lambda x: e.sigmoid(1e4 * (x - 1.5)) + x, (1.0,), None),
        ("exp(-1/x^2) at 0.05", lambda x: np.exp(-1.0 / (x * x)), (0.05,), None),
        ("softplus at -50 and 800", lambda x: e.softplus(x), (A([-50.0, 800.0]),), None),
        # ── cancellation ──
        ("(1-cos x)/x^2 at 1e-3, exact slope", _one_minus_cos, (1e-3,), _one_minus_cos_slope),
        ("(1-cos x)/x^2 at 0.1", _one_minus_cos, (0.1,), None),
        ("log1p(x)-x at 1e-4", lambda x: np.log1p(x) - x, (1e-4,), None),
        ("expm1(x)/x at 1e-5", lambda x: np.expm1(x) / x, (1e-5,), None),
        ("sqrt(x+1)-sqrt(x) at 1e8, exact slope", _sqrt_gap, (1e8,), _sqrt_gap_slope),
        ("(1+x)-1 at 1e-10", lambda x: (1.0 + x) - 1.0, (1e-10,), None),
        ("(x+1e8)-1e8 at 1", lambda x: (x + 1e8) - 1e8, (1.0,), None),
        ("1e6 + 1e-3 sin(x)", lambda x: 1e6 + 1e-3 * np.sin(x), (0.7,), None),
        ("sinc at 1e-6", np.sinc, (1e-6,), None),
        # ── kinks that cancel, equal one-sided limits ──
        ("x|x| at 0", lambda x: x * np.abs(x), (0.0,), None),
        ("relu(x)^2 at 0", lambda x: e.relu(x) ** 2, (0.0,), None),
        ("where(x>0, x*x, 0*x) at 0", lambda x: np.where(x > 0, x * x, 0.0 * x), (0.0,), None),
        ("|x|^3 at 0", lambda x: np.abs(x) ** 3, (0.0,), None),
        ("relu(x)^1.5 at 0", lambda x: e.relu(x) ** 1.5, (0.0,), None),
        ("max(x,y)+min(x,y) at a tie", lambda x, y: np.maximum(x, y) + np.minimum(x, y), (2.0, 2.0), None),
        ("sum(sort(x)^2) with ties", lambda x: np.sum(np.sort(x) ** 2), (A([1.0, 2.0, 1.0, 2.0]),), None),
        ("elu at 0", e.elu, (0.0,), None),
        ("x/(1+|x|) at 0", lambda x: x / (1.0 + np.abs(x)), (0.0,), None),
        (
            "leaky_relu minus its parts at 0",
            lambda x: 0.75 * e.relu(x) + 0.25 * x - e.leaky_relu(x, negative_slope=0.25) + x * x + x,
            (0.0,),
            None,
        ),
        # ── near kinks ──
        ("relu at 1e-12, -1e-12", lambda x: e.relu(x), (A([1e-12, -1e-12]),), None),
        ("|x-1| at 1+1e-9", lambda x: np.abs(x - 1.0), (1.0 + 1e-9,), None),
        ("max, two a hair apart", lambda x: np.max(x), (A([1.0, 3.0, 3.0 + 1e-9]),), None),
        ("x*floor(x) at 2+1e-7", lambda x: x * np.floor(x), (2.0 + 1e-7,), None),
        ("clip at 1-1e-10", lambda x: np.clip(x, 0.0, 1.0) * 3.0, (1.0 - 1e-10,), None),
        # ── near a domain's end or a pole ──
        ("sqrt at 1e-12", np.sqrt, (1e-12,), None),
        ("log1p at -1+1e-9", np.log1p, (-1.0 + 1e-9,), None),
        ("arcsin at 1-1e-10", np.arcsin, (1.0 - 1e-10,), None),
        ("arccosh at 1+1e-8", np.arccosh, (1.0 + 1e-8,), None),
        ("tan at 1.57", np.tan, (1.57,), None),
        ("1/(x-1) at 1+1e-6", lambda x: 1.0 / (x - 1.0), (1.0 + 1e-6,), None),
        # ── different scales in one vector ──
        ("sum(x^2) of [1e-8, 1e8]", lambda x: np.sum(x * x), (A([1e-8, 1e8]),), None),
        ("sum(1/x) of [1e-8, 1, 1e8]", lambda x: np.sum(1.0 / x), (A([1e-8, 1.0, 1e8]),), None),
        ("prod of [1e-100, 1e100, 2]", lambda x: np.prod(x), (A([1e-100, 1e100, 2.0]),), None),
        ("prod with a zero", lambda x: np.prod(x), (A([0.0, 2.0, 3.0]),), None),
        ("logsumexp of [-1000, 0, 1000]", lambda x: e.logsumexp(x), (A([-1000.0, 0.0, 1000.0]),), None),
        ("standardize of 1e6 + small", lambda x: e.standardize(x), (A([1e6, 1e6 + 1, 1e6 + 3, 1e6 - 2]),), None),
        # ── separated logits ──
        ("log_softmax of [0, 60]", lambda x: e.log_softmax(x), (A([0.0, 60.0]),), None),
        ("-log_softmax of [1000, 0] at 1", lambda x: -e.log_softmax(x)[1], (A([1000.0, 0.0]),), None),
        ("softmax of [0, 60]", lambda x: e.softmax(x), (A([0.0, 60.0]),), None),
        (
            "cross-entropy, mixed logits",
            _cross_entropy,
            (A([[9.0, -3.0, 0.0, 2.0], [50.0, 0.0, -50.0, 1.0], [0.1, 0.2, 300.0, 0.0]]),),
            None,
        ),
        ("entropy of softmax [0, 20, -5]", _entropy, (A([0.0, 20.0, -5.0]),), None),
        ("sharp attention", _scaled_dot, (small, small[::-1] + 0.5, tall[:3]), None),
        # ── steep and oscillating ──
        ("tanh(50x) at 0.01", lambda x: np.tanh(50.0 * x), (0.01,), None),
        ("exp(exp(x)) at 5", lambda x: np.exp(np.exp(x)), (5.0,), None),
        ("exp(|x|) at -30", lambda x: np.exp(np.abs(x)), (-30.0,), None),
        ("sin at 1e4", np.sin, (1e4,), None),
        ("sin(1/x) at 0.01", lambda x: np.sin(1.0 / x), (0.01,), None),
        ("sin(42 pi x) at 1", lambda x: np.sin(42.0 * np.pi * x), (1.0,), None),
        ("x + sin(64 pi x)/10 at 0.5", lambda x: x + 0.1 * np.sin(64.0 * np.pi * x), (0.5,), None),
        ("sawtooth at 100.3", lambda x: x - np.floor(x), (100.3,), None),
        # ── powers ──
        ("x**x at 1e-5", lambda x: x**x, (1e-5,), None),
        ("x**100 at 1", lambda x: x**100, (1.0,), None),
        # ── zero gradients by symmetry, zeros ──
        ("cos at 0 and x**4 at 0", lambda x: np.cos(x) + x**4, (0.0,), None),
        # ── float32, matrices, sums, chains ──
        ("float32 log_softmax", lambda x: e.log_softmax(x * 3), (f32,), None),
        ("float32 sum tanh(a@b)", lambda a, b: np.sum(np.tanh(a @ b)), (m32, n32), None),
        ("1e4 + sum of 600 sines", lambda x: 1e4 + np.sum(np.sin(x)), (many,), None),
        ("Hilbert matrix twice", _hilbert, (A([1.0, -1e-3, 2.0, 0.0, -5.0, 1e3]),), None),
        ("30 matrices in a chain", _matmul_chain, (A([1.0, -2.0, 0.5, 3.0, 1e-3]),), None),
        ("200 steps of x + sin(x)/50", _chain(lambda x: x + 0.02 * np.sin(x), 200), (0.3,), None),
        ("log det of a 3x3 matrix", lambda m: np.linalg.slogdet(m)[1], (spd,), lambda m: np.linalg.inv(m).T),
        ("fft energy", _fft_energy, (A([1e3, -1e-3, 2.0, 0.0, 5.0]),), lambda x: 2.0 * len(x) * x),
    ]


# ── rules ─────────────────────────────────────────────────────────────────────


def P(name, forward, *vjps, **entry):
    return Primitive(name, forward, vjps, **entry)


POSITIVE = (0.0, math.inf)
ROOT2 = math.sqrt(2.0)


def _open(reduced, axis, keepdims):
    return reduced if keepdims or axis is None else np.expand_dims(reduced, axis)


_AXES = [
    Case(((3,),)),
    Case(((2, 3),), {"axis": 0}),
    Case(((2, 3),), {"axis": -1, "keepdims": True}),
    Case(((2, 1, 3),), {"axis": (0, -1)}),
]


def _inverse():
    return P("nr_inverse", lambda x: 1.0 / x, lambda g, out, x: -g * out * out, elementwise=True, domain=[POSITIVE])


def _gauss():
    return P("nr_gauss", lambda x: np.exp(-100.0 * x * x), lambda g, out, x: g * -200.0 * x * out, elementwise=True)


def _sharp_softplus():
    def forward(x):
        return np.maximum(x, 0.0) + np.log1p(np.exp(-50.0 * np.absolute(x))) / 50.0

    return P("nr_sharp_softplus", forward, lambda g, out, x: g * engine.sigmoid(50.0 * x), elementwise=True)


def _parabola_fold():
    return P(
        "nr_parabola_fold",
        lambda x: np.absolute(x * x - 2.0),
        lambda g, out, x: g * np.sign(np.absolute(x) - ROOT2) * 2.0 * x,  # no float has x² = 2; ROOT2 stands for it
        elementwise=True,
        kinks=[Kink("x² = 2", "0", lambda x: np.absolute(x) - ROOT2)],
    )


def _root():
    return P("nr_root", lambda x: np.sqrt(x), lambda g, out, x: 0.5 * g / out, elementwise=True, domain=[POSITIVE])


def _xlogx():
    return P("nr_xlogx", lambda x: x * np.log(x), lambda g, out, x: g * (np.log(x) + 1.0), elementwise=True, domain=[POSITIVE])


def _logit():
    return P(
        "nr_logit",
        lambda p: np.log(p) - np.log1p(-p),
        lambda g, out, p: g / (p * (1.0 - p)),
        elementwise=True,
        domain=[(0.0, 1.0)],
    )


def _seventh():
    return P("nr_seventh", lambda x: x**7, lambda g, out, x: 7.0 * g * x**6, elementwise=True)


def _sum_squares():
    return P(
        "nr_sum_squares",
        lambda x, axis=None, keepdims=False: np.sum(x * x, axis=axis, keepdims=keepdims),
        lambda g, out, x, axis=None, keepdims=False: 2.0 * _open(g, axis, keepdims) * x,
        cases=_AXES,
    )


def _join():
    def vjp(g, out, *args, argnum, axis=0):
        start = sum(np.shape(a)[axis] for a in args[:argnum])
        where = (slice(None),) * (axis % np.ndim(args[argnum])) + (slice(start, start + np.shape(args[argnum])[axis]),)
        return g[where]

    return P(
        "nr_join",
        lambda *args, axis=0: np.concatenate(args, axis=axis),
        vjp,
        variadic=True,
        cases=[Case(((2,), (3,))), Case(((2, 1), (2, 2), (2, 3)), {"axis": -1}), Case(((1, 2), (3, 2)), {"axis": 0})],
    )


def _gather():
    def forward(x, index):
        return np.asarray(x)[index]

    def vjp(g, out, x, index):
        return engine.scatter(g, shape=np.shape(x), index=index)

    rows = np.array([2, 0, 2, 1])
    return P("nr_gather", forward, vjp, cases=[Case(((3,),), {"index": rows}), Case(((4, 2),), {"index": rows})])


def _top():
    def vjp(g, out, x, axis=-1, keepdims=False):
        tied = x == _open(out, axis, keepdims)
        return _open(g, axis, keepdims) * tied / np.sum(tied, axis=axis, keepdims=True)

    def gap(x, axis=-1, keepdims=False):
        rows = np.sort(x, axis=axis)
        if np.shape(x)[axis] < 2:
            return np.full(np.shape(np.sum(x, axis=axis)), np.inf)
        last, before = np.take(rows, -1, axis=axis), np.take(rows, -2, axis=axis)
        return last - before

    return P(
        "nr_top",
        lambda x, axis=-1, keepdims=False: np.max(x, axis=axis, keepdims=keepdims),
        vjp,
        cases=[Case(((3,),)), Case(((2, 3),)), Case(((2, 3),), {"axis": 0, "keepdims": True})],
        kinks=[Kink("several largest elements", "they share evenly", gap)],
    )


def _huber():
    return P(
        "nr_huber",
        lambda x, delta=1.5: np.where(np.absolute(x) <= delta, 0.5 * x * x, delta * (np.absolute(x) - 0.5 * delta)),
        lambda g, out, x, delta=1.5: g * np.minimum(np.maximum(x, -delta), delta),
        elementwise=True,
        cases=[Case(((3,),), {"delta": 0.7})],
    )


def _leaky():
    return P(
        "nr_leaky",
        lambda x, slope=0.1: np.maximum(x, 0.0) + slope * np.minimum(x, 0.0),
        lambda g, out, x, slope=0.1: g * np.where(x > 0, 1.0, slope),
        elementwise=True,
        cases=[Case(((3,),), {"slope": 0.3})],
        kinks=[Kink("x = 0", "slope, the derivative from the left", lambda x, slope=0.1: x)],
    )


def _clamp():
    return P(
        "nr_clamp",
        lambda x, low=-0.75, high=1.25: np.minimum(np.maximum(x, low), high),
        lambda g, out, x, low=-0.75, high=1.25: g * ((x > low) & (x < high)),
        elementwise=True,
        cases=[Case(((3,),), {"low": -2.5, "high": 0.25})],
        kinks=[
            Kink("x = low", "0", lambda x, low=-0.75, high=1.25: x - low),
            Kink("x = high", "0", lambda x, low=-0.75, high=1.25: x - high),
        ],
    )


def _select():
    return P(
        "nr_select",
        lambda x, y, mask: np.where(mask > 0, x, y),
        lambda g, out, x, y, mask: np.where(mask > 0, g, 0.0),
        lambda g, out, x, y, mask: np.where(mask > 0, 0.0, g),
        None,
        elementwise=True,
        cases=[Case(((3,), (3,), (3,)))],
    )


def _angle():
    return P(
        "nr_angle",
        lambda y, x: np.arctan2(y, x),
        lambda g, out, y, x: g * x / (x * x + y * y),
        lambda g, out, y, x: -g * y / (x * x + y * y),
        elementwise=True,
        domain=[(-math.inf, math.inf), POSITIVE],
    )


def _running_product():
    def vjp(g, out, x):
        n = np.shape(x)[0]
        if not n:
            return np.zeros(np.shape(x))
        slopes = []
        for i in range(n):
            before = 1.0
            for j in range(i):
                before = before * x[j]
            total, product = g[i] * before, before
            for k in range(i + 1, n):
                product = product * x[k]
                total = total + g[k] * product
            slopes.append(total)
        return np.stack(slopes)

    return P("nr_running_product", lambda x: np.cumprod(x, axis=0), vjp, cases=[Case(((1,),)), Case(((4,),)), Case(((3, 2),))])


def _unit():
    def vjp(g, out, x, axis=-1):
        size = np.sqrt(np.sum(x * x, axis=axis, keepdims=True) + 0.01)
        return (g - out * np.sum(g * out, axis=axis, keepdims=True)) / size

    return P(
        "nr_unit",
        lambda x, axis=-1: x / np.sqrt(np.sum(x * x, axis=axis, keepdims=True) + 0.01),
        vjp,
        cases=[Case(((3,),)), Case(((2, 3),)), Case(((2, 3),), {"axis": 0}), Case(((2, 1, 3),), {"axis": 1})],
    )


def _ripple():
    return P(
        "nr_ripple",
        lambda x: x + 0.1 * np.sin(30.0 * x),
        lambda g, out, x: g * (1.0 + 3.0 * np.cos(30.0 * x)),
        elementwise=True,
    )


def rules():
    return [
        ("1/x on its domain", _inverse),
        ("exp(-100x^2)", _gauss),
        ("softplus(50x)/50", _sharp_softplus),
        ("|x^2-2|, kinks declared", _parabola_fold),
        ("sqrt on its domain", _root),
        ("x log x on its domain", _xlogx),
        ("logit on (0, 1)", _logit),
        ("x**7", _seventh),
        ("sum of squares, axis, keepdims", _sum_squares),
        ("variadic join", _join),
        ("gather by an integer parameter", _gather),
        ("max, ties shared evenly", _top),
        ("huber, smooth at delta", _huber),
        ("leaky relu from the left", _leaky),
        ("clamp with parameters", _clamp),
        ("select by an undifferentiated mask", _select),
        ("atan2 on the right half-plane", _angle),
        ("running product", _running_product),
        ("x/sqrt(sum x^2 + 0.01)", _unit),
        ("x + sin(30x)/10", _ripple),
    ]
