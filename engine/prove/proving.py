"""Proving rules: `assert_rule` for a primitive's, `differentiable` for the gradient of a function of one's own.

    cube = primitive("cube", lambda x: x**3, lambda g, out, x: 3 * g * x**2)
    assert_rule(cube)                        # passes, or says which law is broken, where, and by how much

    @differentiable(x=strategies.arrays((3,)), w=strategies.scalars())
    def test_energy(x, w):                   # a test for pytest: gradients right on a hundred random inputs
        return np.sum(np.tanh(w * x) ** 2)

A proof goes from small inputs to large ones, so that the first failure is a small one, and it is the same
at every run.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..backprop import backprop
from ..primitives import Kink, Primitive
from ..value import Value
from .checking import Element, check

__all__ = ["assert_rule", "differentiable"]

LOW, HIGH, MARGIN = -4.0, 4.0, 0.1
Shape = tuple[int, ...]


class Call(NamedTuple):
    """Operands and parameters for one call of a primitive."""

    args: tuple[Any, ...]
    params: dict[str, Any] = {}


# ── where a primitive may be tested ───────────────────────────────────────────


def interval(primitive: Primitive, argnum: int, low: float = LOW, high: float = HIGH) -> tuple[float, float]:
    """Where to draw an operand from: its domain, a margin inside, as far as it lies between low and high."""
    start, end = primitive.domain[0 if primitive.variadic else argnum]
    margin = min(MARGIN, (end - start) / 20)
    start, end = start + margin, end - margin
    if start > high or end < low:  # a domain far out: as wide a piece of it, at its near end
        return (start, min(end, start + high - low)) if start > high else (max(start, end - high + low), end)
    return max(low, start), min(high, end)


def inside(primitive: Primitive, args: Sequence[Any]) -> Any:
    """Where the operands lie inside the open domain, broadcast together."""
    bounds = primitive.domain * len(args) if primitive.variadic else primitive.domain
    within: Any = True
    for (low, high), arg in zip(bounds, args, strict=False):
        within = within & (np.asarray(low < arg) & np.asarray(arg < high))
    return within


def clear_of_kinks(primitive: Primitive, args: Sequence[Any], params: dict[str, Any], margin: float = MARGIN / 2) -> bool:
    """Whether the operands keep a margin to every declared kink."""
    return all(np.all(np.absolute(kink.distance(*args, **params)) >= margin) for kink in primitive.kinks)


def literal(data: Any) -> str:
    """Data as Python source that makes it again."""
    if isinstance(data, np.ndarray):
        kind = "" if data.dtype in (np.float64, np.int64, bool) else f", dtype=np.{data.dtype}"
        if not data.size:
            return f"np.zeros({data.shape}{kind})"
        with np.printoptions(threshold=data.size + 1, linewidth=10**6):
            numbers = np.array2string(data, separator=", ", formatter={"float": lambda x: repr(float(x))})
        return f"np.array({' '.join(numbers.split())}{kind})"
    if isinstance(data, tuple):
        return f"({', '.join(map(literal, data))}{',' * (len(data) == 1)})"
    if isinstance(data, np.generic):
        return repr(data.item())
    if isinstance(data, type) and data.__module__ == "numpy":
        return f"np.{data.__name__}"
    return "..." if data is Ellipsis else repr(data)


# ── calls that exercise a rule, from small to large ───────────────────────────

_SPECIAL = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0)
_WIDE = tuple(sign * size for size in (0.3, 1e-3, 0.49, 0.51, 1.7, 3.3, 8.0, 20.0) for sign in (1.0, -1.0))


def _forms(primitive: Primitive) -> list[tuple[tuple[Shape, ...], dict[str, Any]]]:
    """Shapes and parameters: the primitive's cases, and for an elementwise one shapes that broadcast."""
    forms: list[tuple[tuple[Shape, ...], dict[str, Any]]] = []
    arity = len(primitive.vjps)
    if primitive.elementwise or not primitive.cases:
        forms.append((((),) * arity, {}))
        forms.append((((1,),) * arity, {}))
        for k in range(arity if arity > 1 else 0):
            forms.append((tuple((2,) if j == k else () for j in range(arity)), {}))
            forms.append((tuple((3, 1) if j == k else (2,) for j in range(arity)), {}))
        forms.append((((2, 3),) * arity, {}))
    forms.extend(primitive.cases)
    return sorted(forms, key=lambda form: sum(map(math.prod, form[0])))


def _draw(primitive: Primitive, shapes: Sequence[Shape], params: dict[str, Any], rng: np.random.Generator) -> Call | None:
    """Operands of these shapes, distinct numbers of one decimal, inside the domain and clear of kinks."""
    for _ in range(200):
        pools: dict[tuple[float, float], list[float]] = {}
        args = []
        for argnum, shape in enumerate(shapes):
            low, high = bounds = interval(primitive, argnum)
            if bounds not in pools:
                decimals = 1 - min(0, math.floor(math.log10((high - low) / 2)))
                pools[bounds] = [x for x in rng.permutation(np.round(np.arange(low, high, 10.0**-decimals), decimals)).tolist() if x]
            pool, size = pools[bounds], math.prod(shape)
            if len(pool) < size:
                raise ValueError(f"the shapes {tuple(shapes)} hold too many numbers to keep them apart")
            args.append(np.array(pool[:size]).reshape(shape) if shape else pool[0])
            pools[bounds] = pool[size:]
        if clear_of_kinks(primitive, args, params):
            return Call(tuple(args), params)
    return None


def _ordinary(primitive: Primitive, rng: np.random.Generator) -> Iterator[Call]:
    """Calls at which the derivative exists."""
    for shapes, params in _forms(primitive):
        for _ in range(2 if not any(shapes) else 1):
            if call := _draw(primitive, shapes, params, rng):
                yield call


def _scattered(primitive: Primitive) -> Iterator[Call]:
    """Numbers from tiny to large one by one, where the rule may change its form."""
    if _pointwise(primitive):
        columns = [np.roll(_WIDE, 5 * k) for k in range(len(primitive.vjps))]
        for params in _parameters(primitive):
            yield from (call for call in _points(primitive, columns, params) if clear_of_kinks(primitive, *call, margin=1e-3))


def _pointwise(primitive: Primitive) -> bool:
    """Whether the primitive takes numbers one by one, as far as the table knows."""
    return primitive.elementwise or (not primitive.cases and not primitive.variadic)


def _points(primitive: Primitive, columns: Sequence[Any], params: dict[str, Any]) -> Iterator[Call]:
    """One call on numbers for each row of the columns that lies in the domain and has a finite result."""
    for row in dict.fromkeys(zip(*(np.asarray(column).tolist() for column in columns), strict=True)):
        if np.all(inside(primitive, row)) and np.isfinite(primitive(*row, **params)):
            yield Call(row, params)


def _parameters(primitive: Primitive) -> list[dict[str, Any]]:
    given = [{}, *(case.params for case in primitive.cases if case.params)]
    return given if primitive.elementwise or not primitive.cases else given[1:]


def _pointed(primitive: Primitive) -> Iterator[Call]:
    """Calls at the points where a kink may sit: 0, ±1, ±½, ±2, ties, and the zeros of the declared distances."""
    arity = len(primitive.vjps)
    if _pointwise(primitive):
        some = _SPECIAL if arity == 1 else _SPECIAL[:3]
        for params in _parameters(primitive):
            first, *others = (np.array(column) for column in zip(*product(some, repeat=arity), strict=True))
            solved = [first - kink.distance(first, *others, **params) for kink in primitive.kinks]  # exact where it is x - c
            solved = [column for column in solved if column.shape == first.shape and np.isfinite(column).all()]
            yield from _points(primitive, [np.concatenate([first, *solved]), *(np.tile(o, 1 + len(solved)) for o in others)], params)
        return
    for shapes, params in primitive.cases:
        for fill in ([0.0], [1.0], [1.0, 0.0], [0.0, 2.0, 2.0], [-1.0, -1.0, 3.0], [1.0, 2.0, -1.5, 2.0]):
            args = tuple(np.resize(fill, shape) if shape else fill[0] for shape in shapes)
            if all(np.all(inside(primitive, [arg])) for arg in args) and np.all(np.isfinite(primitive(*args, **params))):
                yield Call(args, params)


def _limits(primitive: Primitive) -> Iterator[Call]:
    """Arrays without elements, and a NaN in each operand beside numbers in the others."""
    arity = len(primitive.vjps)
    if _pointwise(primitive):
        yield from (Call((np.zeros(shape),) * arity) for shape in ((0,), (2, 0)))
        yield from (Call(tuple(math.nan if j == k else 0.3 + 0.5 * j for j in range(arity))) for k in range(arity))


# ── the laws ──────────────────────────────────────────────────────────────────
#
# Each takes a primitive and a call, and raises AssertionError with a sentence where the law is broken.


def _close(one: Any, two: Any, tolerance: float) -> bool:
    """Whether two results agree, relative to the largest number among them; NaN equals NaN."""
    one, two = np.asarray(one, float), np.asarray(two, float)
    if one.shape != two.shape:
        return False
    size = np.max(np.absolute(two), initial=1e-300, where=np.isfinite(two))
    return bool(np.allclose(one, two, rtol=tolerance, atol=tolerance * size, equal_nan=True))


def _rules(primitive: Primitive, call: Call) -> list[tuple[int, Callable[..., Any]]]:
    """The numbers of the operands that are differentiated, and their vjps with the parameters filled in."""
    found = []
    for k in range(len(call.args)):
        if rule := primitive.vjp(k):
            found.append((k, lambda g, out, *args, rule=rule: rule(g, out, *args, **call.params)))
    return found


def _names(primitive: Primitive, count: int) -> list[str]:
    """The names of the operands: those in the vjp, or x0, x1, ..."""
    code = getattr(primitive.vjps[0], "__code__", None)
    named = list(code.co_varnames[2 : code.co_argcount])[:count] if code and not primitive.variadic else []
    return named if len(named) == count else [f"x{k}" for k in range(count)] if count > 1 else ["x"]


def _leaves(primitive: Primitive, call: Call) -> list[Value]:
    """The operands as leaves, labelled with their names."""
    names = _names(primitive, len(call.args))
    return [
        Value(arg, label=name, requires_grad=primitive.vjp(k) is not None)
        for k, (arg, name) in enumerate(zip(call.args, names, strict=True))
    ]


def _pull(primitive: Primitive, call: Call, g: Any) -> tuple[Any, list[Any]]:
    """The result and the gradient of every operand (None for one without a vjp), as a backward pass gives them."""
    leaves = _leaves(primitive, call)
    out = primitive(*leaves, **call.params)
    found = backprop(out, g, inputs=leaves)
    return out, [found.get(leaf) for leaf in leaves]


def _cotangent(call: Call, out: Any) -> Any:
    """A cotangent with a different weight for every element, in the shape of the result."""
    n = math.prod(np.shape(out))
    weights = 1.5 + np.cos(np.arange(1.0, n + 1.0))
    return weights.reshape(np.shape(out)) if np.ndim(out) else 1.0


def _value(primitive: Primitive, call: Call) -> None:
    """Recorded or not, on numbers or on arrays, in one piece or strided, writable or not: the same result, and no operand changed."""
    plain = primitive(*call.args, **call.params)
    out, gradients = _pull(primitive, call, g := _cotangent(call, plain))
    for k, (arg, gradient) in enumerate(zip(call.args, gradients, strict=True)):
        if gradient is not None and np.shape(gradient) != np.shape(arg):
            raise AssertionError(f"the gradient of operand {k} has shape {np.shape(gradient)}, the operand {np.shape(arg)}")
    if not _close(out.data, plain, 0.0):
        raise AssertionError(f"recorded on Values the result is {_show(out.data)}, on plain data {_show(plain)}")

    for kind, prepare in _LAYOUTS.items():
        args, cotangent, result = [prepare(arg) for arg in call.args], prepare(g), prepare(plain)
        before = [np.array(part) for part in (*args, cotangent, result)]
        try:
            again = primitive.forward(*args, **call.params)
            pulled = {k: rule(cotangent, result, *args) for k, rule in _rules(primitive, call)}
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise AssertionError(f"it writes into its operands: {error}") from None
        for part, old in zip((*args, cotangent, result), before, strict=True):
            if not np.array_equal(part, old, equal_nan=True):
                raise AssertionError(f"it writes into what it is given: {_show(old)} became {_show(part)}")
        single = kind == "float32"
        if single and np.asarray(again).dtype != np.float32 and "dtype" not in call.params:
            raise AssertionError(f"on float32 the result is {np.asarray(again).dtype}")
        if not _close(again, plain, 1e-4 if single else 1e-13):
            raise AssertionError(f"on {kind} operands the result is {_show(again)}, otherwise {_show(plain)}")
        for k, contribution in pulled.items():
            if np.shape(contribution) == np.shape(gradients[k]) and not _close(contribution, gradients[k], 1e-3 if single else 1e-12):
                raise AssertionError(
                    f"on {kind} operands the gradient of operand {k} is {_show(contribution)}, otherwise {_show(gradients[k])}"
                )


def _strided(data: Any) -> Any:
    """The same numbers with gaps between them, and backwards in memory."""
    data = np.asarray(data, float)
    if not data.ndim:
        return data
    roomy = np.full((*data.shape[:-1], 2 * data.shape[-1]), np.nan)[..., ::-2]
    roomy[...] = data
    return roomy


def _read_only(data: Any) -> Any:
    data = np.array(data, float)
    data.flags.writeable = False
    return data


_LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "array": lambda data: np.array(data, float),
    "read-only": _read_only,
    "non-contiguous": _strided,
    "Fortran-ordered": lambda data: np.array(data, float, order="F"),
    "float32": lambda data: np.array(data, np.float32),
}


def _float_path(primitive: Primitive, call: Call) -> None:
    """An elementwise rule gives on Python floats what it gives on arrays, element by element."""
    if not primitive.elementwise:
        return
    args = np.broadcast_arrays(*call.args)
    wide = primitive.forward(*args, **call.params)
    pulled = [(k, rule(np.float64(1.0), wide, *args)) for k, rule in _rules(primitive, call)]
    for i in np.ndindex(args[0].shape):
        numbers = [float(arg[i]) for arg in args]
        result = primitive(*numbers, **call.params)
        if type(result) is not float or not _close(result, wide[i], 1e-13):
            raise AssertionError(
                f"on Python floats {_names(primitive, len(numbers))} = {numbers} the result is {result!r}, on arrays {wide[i]}"
            )
        _, gradients = _pull(primitive, Call(tuple(numbers), call.params), 1.0)
        for k, contribution in pulled:
            expected = np.broadcast_to(contribution, args[0].shape)[i]
            if not _close(gradients[k], expected, 1e-12):
                raise AssertionError(f"on Python floats {numbers} the gradient of operand {k} is {gradients[k]}, on arrays {expected}")


def _derivative(primitive: Primitive, call: Call) -> None:
    """The vjp of every operand is the numerical derivative."""
    weights = _cotangent(call, primitive(*call.args, **call.params))
    wanted = [k for k, _ in _rules(primitive, call)]

    def weighted(*args: Any) -> Any:
        result = primitive(*args, **call.params)
        return np.sum(result * weights) if np.ndim(weights) else result

    _compare("it", weighted, *call.args, argnums=wanted, names=_names(primitive, len(call.args)))


def _compare(what: str, f: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Analytic and numerical derivative agree: for many elements along random directions, one by one where that fails."""
    if sum(map(np.size, args)) > 3 and set(check(f, *args, mode="projections", directions=2, **options).counts) == {"right"}:
        return
    report = check(f, *args, mode="elements", **options)
    for element in report.elements:
        if element.verdict == "kink":
            raise AssertionError(
                f"there is a kink for operand {element.input} ({element.note}) that the entry does not declare; "
                'add it: kinks=[Kink("x = c", "0", lambda x: x - c)]'
            )
    largest = max((abs(element.analytic) for element in report.elements), default=0.0)
    failures = [e for e in report.failures if e.verdict != "imprecise" or abs(e.analytic - e.numerical) > 1e-12 + 1e-9 * largest]
    if failures:
        worst = report.worst if report.worst in failures else failures[0]
        place = f"operand {worst.input}" + (f", element [{', '.join(map(str, worst.index))}]" if worst.index else "")
        raise AssertionError(f"for {place} {what} says {worst.analytic!r}, the numerical derivative is {_explain(worst)}")


def _explain(element: Element) -> str:
    said, true = float(element.analytic), float(element.numerical)
    text = f"{true!r} ± {float(element.error):.0e}"
    if element.verdict != "wrong":
        hint = "; if it is not defined there, say so: domain=[(low, high)]" if element.verdict == "domain" else ""
        return f"{text}: {element.verdict}" + (f" ({element.note})" if element.note else "") + hint
    if not said:
        return f"{text}: the derivative is missing"
    ratio = said / true if true else math.inf
    if math.isclose(ratio, -1.0, rel_tol=1e-6):
        return f"{text}: the sign is wrong"
    return f"{text}: wrong by a factor {ratio:.10g}" if math.isfinite(ratio) else text


def _linear(primitive: Primitive, call: Call) -> None:
    """A vjp is linear in the cotangent: vjp(2g - 3h) = 2 vjp(g) - 3 vjp(h)."""
    args = tuple(np.asarray(arg) for arg in call.args)
    out = np.asarray(primitive.forward(*args, **call.params))
    g = np.asarray(_cotangent(call, out))
    h = np.sin(7.0 * g)
    for k, rule in _rules(primitive, call):
        mixed, apart = rule(2.0 * g - 3.0 * h, out, *args), 2.0 * rule(g, out, *args) - 3.0 * rule(h, out, *args)
        if not _close(mixed, apart, 1e-9):
            found = f"vjp(2g - 3h) is {_show(mixed)}, 2 vjp(g) - 3 vjp(h) is {_show(apart)}"
            raise AssertionError(f"the vjp of operand {k} is not linear in the cotangent: {found}")


def _second(primitive: Primitive, call: Call) -> None:
    """The vjp, recorded, has the right derivatives itself, with respect to the cotangent and every operand."""
    g = _cotangent(call, primitive(*call.args, **call.params))
    wanted = [k for k, _ in _rules(primitive, call)]

    def pulled(g: Any, *chosen: Any) -> Any:
        args = list(call.args)
        for k, arg in zip(wanted, chosen, strict=True):
            args[k] = arg
        out = primitive(*args, **call.params)
        total: Any = 0.0
        for k, rule in _rules(primitive, call):
            contribution = rule(g, out, *args)
            weights = 1.5 + np.sin(np.arange(1.0, math.prod(np.shape(contribution)) + 1.0) + k)
            total = total + np.sum(contribution * np.reshape(weights, np.shape(contribution)))
        return total

    names = _names(primitive, len(call.args))
    chosen = [call.args[k] for k in wanted]
    _compare("its vjp, differentiated again,", pulled, g, *chosen, names=["g", *(names[k] for k in wanted)])


def _beside_nan(primitive: Primitive, call: Call) -> None:
    """Where a NaN does not reach the result, as in fmax, it gets no gradient and does not spoil the others'."""
    blank = [k for k, arg in enumerate(call.args) if arg != arg]
    if not blank or not math.isfinite(primitive(*call.args, **call.params)):
        return
    others = [k for k, _ in _rules(primitive, call) if k not in blank]
    _compare("beside a NaN it", primitive, *call.args, argnums=others, names=_names(primitive, len(call.args)))
    _, gradients = _pull(primitive, call, 1.0)
    for k in blank:
        if gradients[k]:
            raise AssertionError(
                f"operand {_names(primitive, len(call.args))[k]} is NaN and not part of the result, yet its gradient is {gradients[k]}"
            )


def _readable(primitive: Primitive, call: Call) -> None:
    """It draws and explains like every other: the picture shows its symbol, and every text the operands by name."""
    from .. import draw, explain, to_text

    out = primitive(*_leaves(primitive, call), **call.params)
    for reader in (lambda value: draw(value).source, explain, to_text):
        text = str(reader(out))
        if missing := [name for name in _names(primitive, len(call.args)) if name not in text]:
            raise AssertionError(f"{getattr(reader, '__name__', 'draw')} does not show its operand {missing[0]}")
    if primitive.symbol not in (source := draw(out).source) and primitive.name not in source:
        raise AssertionError(f"draw does not show {primitive.symbol}")


# ── kinks ─────────────────────────────────────────────────────────────────────


def _show(data: Any) -> str:
    return literal(np.asarray(data)[()] if np.ndim(data) == 0 else np.asarray(data))


def _slopes(primitive: Primitive, call: Call, k: int, i: int, steps: Sequence[float]) -> list[tuple[Any, float]]:
    """The result, and the gradient of element i of operand k, with that element moved by each step."""
    found = []
    for step in steps:
        args = list(call.args)
        moved = np.array(args[k], float)
        moved.flat[i] += step
        args[k] = moved if moved.ndim else float(moved)
        out = primitive(*args, **call.params)
        _, gradients = _pull(primitive, Call(tuple(args), call.params), np.ones(np.shape(out)) if np.ndim(out) else 1.0)
        found.append((out, float(np.ravel(gradients[k])[i])))
    return found


def _same(one: float, two: float) -> bool:
    return abs(one - two) <= 1e-3 * (1.0 + abs(one) + abs(two))


def _at_a_point(met: dict[Kink, bool], primitive: Primitive, call: Call) -> None:
    """Off the declared kinks the derivative exists and is right; on them the vjp says what the entry says.

    Notes in `met` the kinks that the call lies on, and whether the function has no derivative there indeed.
    """
    distances = {kink: np.absolute(kink.distance(*call.args, **call.params)) for kink in primitive.kinks}
    on = [kink for kink, distance in distances.items() if np.any(distance == 0)]
    if not on:
        if all(np.all(distance > 1e-3) for distance in distances.values()):
            _derivative(primitive, call)
        return
    h, words = 1e-5, " and ".join(f'"{kink.where}"' for kink in on)
    for kink in on:
        met.setdefault(kink, False)
    for k, _ in _rules(primitive, call):
        for i in range(math.prod(np.shape(call.args[k]))):
            (_, here), (f1, left), (f2, right) = _slopes(primitive, call, k, i, (0.0, -h, h))
            if not math.isfinite(left + right):
                continue
            if _same(left, right):
                expected = [(left + right) / 2]
            else:
                expected = [value for kink in on if (value := _convention(kink, left, right)) is not None]
            sharing = any("evenly" in kink.value for kink in on)
            between = min(left, right) < here < max(left, right) if sharing else min(left, right) <= here <= max(left, right)
            if not (any(_same(here, value) for value in expected) if expected else between):
                said = " or ".join(f"{value:.6g}" for value in dict.fromkeys(expected)) or "a number between"
                raise AssertionError(
                    f"on the kink {words} the derivative for operand {_names(primitive, len(call.args))[k]} is {here:.6g}, "
                    f"from the left {left:.6g} and from the right {right:.6g}; by the entry it is {said}"
                )
            if not all(met[kink] for kink in on):
                bent = not _same(left, right) or not _close(f1, f2, 1e-2)
                if not bent:  # the derivative may still have a kink of its own
                    (_, a), (_, b), (_, c), (_, d) = _slopes(primitive, call, k, i, (-2e-3, -1e-3, 1e-3, 2e-3))
                    bent = abs((b - a) - (d - c)) > 0.1 * (abs(b - a) + abs(d - c)) + 1e-9
                for kink in on:
                    met[kink] = met[kink] or bent
    if not _pointwise(primitive) and all("evenly" in kink.value for kink in on):
        moved = [primitive(*(arg + step for arg in call.args), **call.params) for step in (1e-5, -1e-5)]
        along = float(np.sum((moved[0] - moved[1]) / 2e-5))
        _, gradients = _pull(primitive, call, np.ones(np.shape(moved[0])) if np.ndim(moved[0]) else 1.0)
        shared = float(sum(np.sum(gradient) for gradient in gradients if gradient is not None))
        if not _same(along, shared):
            raise AssertionError(f"on the kink {words} the shares add up to {shared:.6g}, the whole is {along:.6g}")


def _convention(kink: Kink, left: float, right: float) -> float | None:
    """The derivative that a kink's words name, between one-sided derivatives; None where they share or say nothing else."""
    if kink.value.startswith("0"):
        return 0.0
    if "left" in kink.value:
        return left
    return right if "right" in kink.value else None


def _no_other_kink(primitive: Primitive) -> None:
    """Between the points tried so far the derivative does not jump, except at the declared kinks.

    Each operand runs over its interval.  Where two neighbours differ in slope by more than the pairs beside
    them, bisection closes in on the change: a steep stretch flattens out as the two come together, a jump stays.
    """
    arity = len(primitive.vjps)
    if not _pointwise(primitive):
        return
    for params in _parameters(primitive):
        rest = [low + (0.37 + 0.2 * j) * (high - low) for j, (low, high) in enumerate(interval(primitive, j) for j in range(arity))]
        for k, _ in _rules(primitive, Call(tuple(rest), params)):

            def slope(x: float, k: int = k, params: dict[str, Any] = params, rest: list[float] = rest) -> float:
                call = Call((*rest[:k], float(x), *rest[k + 1 :]), params)
                return _slopes(primitive, call, k, 0, (0.0,))[0][1]

            grid = np.linspace(*interval(primitive, k), 160)[1:-1]
            slopes = np.array(list(map(slope, grid)))
            jumps = np.absolute(np.diff(slopes))
            beside = np.maximum(np.roll(jumps, 1), np.roll(jumps, -1))
            for i in np.flatnonzero((jumps > 1.3 * beside + 1e-6) & np.isfinite(jumps)):
                (a, b), (left, right) = grid[i : i + 2], slopes[i : i + 2]
                for _ in range(40):
                    middle = (a + b) / 2
                    here = slope(middle)
                    if abs(here - left) > abs(right - here):
                        b, right = middle, here
                    else:
                        a, left = middle, here
                there = (*rest[:k], float(b), *rest[k + 1 :])
                if 0.1 * jumps[i] < abs(right - left) < 10 * jumps[i] and clear_of_kinks(primitive, there, params, margin=1e-6):
                    at = ", ".join(f"{name} = {x:.6g}" for name, x in zip(_names(primitive, arity), there, strict=True))
                    raise AssertionError(
                        f"the rule of {primitive.name} is wrong: there is a kink for operand {_names(primitive, arity)[k]} at {at} "
                        f"(the derivative is {left:.6g} to its left, {right:.6g} to its right) that the entry does not declare; "
                        'add it: kinks=[Kink("x = c", "0", lambda x: x - c)]'
                    )


# ── the proof ─────────────────────────────────────────────────────────────────

_LAWS = (_derivative, _linear, _value, _float_path, _second)


def assert_rule(primitive: Primitive, *, order: int = 2) -> None:
    """Prove a primitive's rule, or raise AssertionError with what is wrong and the smallest input that shows it.

    What is proved, on scalars, arrays of one element, operands that broadcast, and the shapes of its `cases`:

    * the vjp of every operand is the numerical derivative, to the error that the numerical one itself has;
    * it is linear in the cotangent, and differentiable again (`order` 1 leaves that out);
    * recorded on Values, on Python floats, on float32, on strided, Fortran-ordered, read-only and empty
      arrays the results and gradients are the same, and no operand is written to;
    * the declared kinks are true (there is no derivative there), the vjp says there what the entry says ("0",
      "... from the left", "... from the right", "... evenly"), and there is no kink at 0, ±½, ±1, ±2, a tie,
      or (operands taken one by one) anywhere between, that the entry does not declare;
    * it draws and explains.

    Operands are drawn from the entry's domain.  The proof is the same at every run.
    """
    if not isinstance(primitive, Primitive):
        raise TypeError(f"assert_rule proves a primitive, and {primitive!r} is none; test a function made of them with @differentiable")
    rng = np.random.default_rng(zlib.crc32(primitive.name.encode()))
    with np.errstate(all="ignore"):
        ordinary = list(_ordinary(primitive, rng))
        if not ordinary:
            raise AssertionError(f"no operands of {primitive.name} lie in its domain and clear of its kinks: {primitive.kinks}")
        for call in ordinary:
            for law in _LAWS[: len(_LAWS) - (order < 2)]:
                _obey(law, primitive, call)
        for call in _scattered(primitive):
            _obey(_derivative, primitive, call)
            _obey(_float_path, primitive, call)
        met: dict[Kink, bool] = {}
        for call in _pointed(primitive):
            _obey(partial(_at_a_point, met), primitive, call)
        for kink in primitive.kinks:
            if not met.get(kink):
                problem = (
                    "has a derivative at every point of it that was tried" if kink in met else "was not met at any point that was tried"
                )
                raise AssertionError(f'the rule of {primitive.name} is wrong: it declares the kink "{kink.where}", which {problem}')
        _no_other_kink(primitive)
        for call in _limits(primitive):
            _obey(_beside_nan if any(np.size(arg) for arg in call.args) else _value, primitive, call)
        _obey(_readable, primitive, ordinary[0])


def _obey(law: Callable[[Primitive, Call], None], primitive: Primitive, call: Call) -> None:
    try:
        law(primitive, call)
        return
    except Exception as error:
        problem = error
    for k, arg in enumerate(call.args):  # a simpler number that breaks the law as well
        for simple in (1.0, 2.0, -1.0, -2.0, 0.5, 3.0, -3.0, 5.0, 10.0) if isinstance(arg, float) else ():
            if abs(simple) > abs(arg):
                continue
            simpler = Call((*call.args[:k], simple, *call.args[k + 1 :]), call.params)
            if np.all(inside(primitive, simpler.args)) and clear_of_kinks(primitive, *simpler):
                try:
                    law(primitive, simpler)
                except Exception as error:
                    if type(error) is type(problem):
                        call, problem = simpler, error
                        break
    sentence = str(problem) if isinstance(problem, AssertionError) else f"{type(problem).__name__}: {problem}"
    raise AssertionError(f"the rule of {primitive.name} is wrong: {sentence}\n\n{_scene(primitive, call)}") from (
        None if isinstance(problem, AssertionError) else problem
    )


def _scene(primitive: Primitive, call: Call) -> str:
    """The call as code, and its graph as text."""
    from ..show.formats import to_text

    arguments = [literal(arg) for arg in call.args] + [f"{key}={literal(param)}" for key, param in call.params.items()]
    text = f"smallest input:  {primitive.name}({', '.join(arguments)})"
    try:
        out = primitive(*_leaves(primitive, call), **call.params)
        out.backward(np.ones(out.shape) if out.ndim else 1.0)
        return f"{text}\n\n{to_text(out)}"
    except Exception:  # a rule may be too broken to draw; the sentence above says how
        return text


# ── functions of one's own ────────────────────────────────────────────────────


def differentiable(*, order: int = 1, examples: int = 100, **inputs: Any) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Decorator: a function becomes a property test that its gradients are right.

        @differentiable(x=strategies.arrays((3,)), w=strategies.scalars())
        def test_energy(x, w):
            return np.sum(np.tanh(w * x) ** 2)

    pytest runs it, or call it: test_energy().  Each example goes through `engine.check`; a failing one
    shrinks to a small input, and the message shows the wrong elements and the graph.

    Args:
        order: 2 checks the derivatives of the gradient as well.
        examples: how many inputs to draw.
        inputs: a hypothesis strategy for each parameter of the function: see `engine.prove.strategies`.
    """
    try:
        import hypothesis
    except ImportError as error:
        raise ImportError("differentiable draws its inputs with hypothesis; install it with: pip install 'chainrule[prove]'") from error

    def decorate(f: Callable[..., Any]) -> Callable[..., None]:
        parameters = list(inspect.signature(f).parameters)
        if missing := [name for name in parameters if name not in inputs]:
            raise TypeError(f"differentiable: {f.__name__} needs a strategy for {', '.join(missing)}")

        def test(**drawn: Any) -> None:
            args = [drawn[name] for name in parameters]
            report = check(f, *args, order=order, names=parameters)
            if not report:
                raise AssertionError(f"the gradient of {f.__name__} is wrong\n\n{report}\n\n{_setting(f, parameters, args)}")

        test.__name__ = test.__qualname__ = f.__name__
        test.__module__, test.__doc__ = f.__module__, f.__doc__
        settings = hypothesis.settings(max_examples=examples, deadline=None, derandomize=True, database=None)
        return settings(hypothesis.given(**inputs)(test))  # type: ignore[no-any-return]

    return decorate


def _setting(f: Callable[..., Any], names: Iterable[str], args: Sequence[Any]) -> str:
    """The inputs as code, and the graph of the function at them as text."""
    from ..show.formats import to_text

    plain = [arg._data if isinstance(arg, Value) else arg for arg in args]
    lines = [f"{name} = {literal(arg)}" for name, arg in zip(names, plain, strict=True)]
    out = f(*(Value(arg, label=name) if isinstance(arg, (float, np.ndarray)) else arg for name, arg in zip(names, plain, strict=True)))
    return "\n".join(lines) + (f"\n\n{to_text(out)}" if isinstance(out, Value) else "")
