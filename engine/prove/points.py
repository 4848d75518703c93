"""Points at which the rule of a primitive is tried: inside its domain, clear of its kinks or right on them.

Five kinds, each from small inputs to large ones, so that the first failure is a small one:

* `ordinary_calls`: operands of every shape that the primitive takes, where the derivative exists;
* `scattered_calls`: single numbers from 1e-10 to 800, where a rule may change its form, lose its digits or overflow;
* `banded_calls`: arrays of numbers that lie close together, from 1e-10 to 1000;
* `special_calls`: the points where kinks lie, 0, ±1, ±½, ±2, ties, and the zeros of the declared distances;
* `limit_calls`: arrays without elements, and operands that are NaN.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from ..primitives import Kink, Primitive

__all__ = [
    "GRID",
    "HIGH",
    "LOW",
    "MARGIN",
    "WIDE",
    "Call",
    "Shape",
    "banded_calls",
    "clear_of_kinks",
    "fixed_operands",
    "inside",
    "interval",
    "limit_calls",
    "ordinary_calls",
    "parameter_sets",
    "scattered_calls",
    "special_calls",
    "takes_numbers",
]

LOW, HIGH, MARGIN = -4.0, 4.0, 0.1
GRID = 480  # points of an interval that is searched for kinks
MANY = 150  # elements of an array for which a rule may have another form
BANDS = (1e-10, 1e-7, 1e-4, 1e-2, 0.1, 1.0, 4.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # between two of them a rule may have a form of its own
WIDE = 16.0  # kinks are sought between -16 and 16
SPECIAL = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0)
SIZES = (0.3, 1e-3, 0.49, 0.51, 1.7, 3.3, 8.0, 12.0, 20.0, 35.0, 3e-5, 1e-7, 1e-10, 100.0, 400.0, 800.0)
TIED = ([0.0], [1.0], [1.0, 0.0], [0.0, 2.0, 2.0], [-1.0, -1.0, 3.0], [1.0, 2.0, -1.5, 2.0])  # repeated to fill an array

Shape = tuple[int, ...]


class Call(NamedTuple):
    """Operands and parameters for one call of a primitive."""

    args: tuple[Any, ...]
    params: dict[str, Any] = {}


# ── domain and kinks ──────────────────────────────────────────────────────────


def interval(primitive: Primitive, argnum: int, low: float = LOW, high: float = HIGH) -> tuple[float, float]:
    """The interval to draw an operand from: the part of its domain between low and high, less a margin at each end of the domain.

    A domain that lies outside of [low, high] gives a piece of the same length at its nearer end.
    """
    start, end = primitive.domain[0 if primitive.variadic else argnum]
    margin = min(MARGIN, (end - start) / 20)
    start, end = start + margin, end - margin
    if start >= high:
        return start, min(end, start + high - low)
    if end <= low:
        return max(start, end - high + low), end
    return max(low, start), min(high, end)


def fixed_operands(primitive: Primitive) -> list[float]:
    """A number for each operand to stay at while another one runs over an interval."""
    bounds = [interval(primitive, j) for j in range(len(primitive.vjps))]
    return [low + (0.37 + 0.23 * j) % 1.0 * (high - low) for j, (low, high) in enumerate(bounds)]


def inside(primitive: Primitive, args: Sequence[Any]) -> Any:
    """Where the operands lie inside the open domain: a boolean, or an array of the shape they broadcast to."""
    bounds = primitive.domain * len(args) if primitive.variadic else primitive.domain
    within: Any = True
    for (low, high), arg in zip(bounds, args, strict=False):
        within = within & (np.asarray(low < arg) & np.asarray(arg < high))
    return within


def clear_of_kinks(primitive: Primitive, args: Sequence[Any], params: dict[str, Any], margin: float = MARGIN / 2) -> bool:
    """Whether the operands keep a margin to every declared kink."""
    return all(np.all(np.absolute(kink.distance(*args, **params)) >= margin) for kink in primitive.kinks)


def takes_numbers(primitive: Primitive) -> bool:
    """Whether the primitive can be called on single numbers, as far as its entry tells."""
    return primitive.elementwise or (not primitive.cases and not primitive.variadic)


def parameter_sets(primitive: Primitive) -> list[dict[str, Any]]:
    """The parameters to try: none, those of the cases, and other values of parameters that no case sets."""
    return [{}, *(case.params for case in primitive.cases if case.params), *_other_values(primitive)]


def _other_values(primitive: Primitive) -> list[dict[str, Any]]:
    """Values beside the default for the parameters that no case sets: each by itself, and all together."""
    if not isinstance(primitive.forward, FunctionType):  # a ufunc has parameters, such as `where`, that no primitive takes
        return []
    signature = inspect.signature(primitive.forward)
    named = {key for case in primitive.cases for key in case.params}
    found: dict[str, list[Any]] = {}
    for name, parameter in signature.parameters.items():
        default = parameter.default
        if name in named or (name not in primitive.params and parameter.kind is not parameter.KEYWORD_ONLY):
            continue
        if name in ("axis", "dim"):
            found[name] = [value for value in (-1, 0, 1) if value != default]
        elif isinstance(default, bool):
            found[name] = [not default]
        elif isinstance(default, int):
            found[name] = [default + 1]
        elif isinstance(default, float):
            found[name] = [1.5 * default or 0.5]
    each = [{name: value} for name, values in found.items() for value in values]
    return each + ([{name: values[0] for name, values in found.items()}] if len(found) > 1 else [])


# ── ordinary points ───────────────────────────────────────────────────────────


def ordinary_calls(primitive: Primitive, rng: np.random.Generator) -> Iterator[Call]:
    """Calls at which the derivative exists: two for single numbers, one for each other choice of shapes and parameters."""
    for shapes, params, certain in _shapes_and_parameters(primitive):
        for _ in range(1 if any(shapes) else 2):
            call = _draw(primitive, shapes, params, rng)
            if call and (certain or _is_finite(primitive, *call)):
                yield call
                if certain and len(shapes) == 1 and len(shapes[0]) == 2:  # the same numbers in another order
                    turned = Call((np.flip(call.args[0]).copy(),), params)
                    if clear_of_kinks(primitive, *turned):
                        yield turned


def _shapes_and_parameters(primitive: Primitive) -> list[tuple[tuple[Shape, ...], dict[str, Any], bool]]:
    """The primitive's cases and, for an elementwise one, shapes that broadcast; the smallest first.

    The third item of each: whether the primitive must take them.  What its entry does not tell is only tried.
    """
    chosen: list[tuple[tuple[Shape, ...], dict[str, Any], bool]] = []
    arity, others = len(primitive.vjps), _other_values(primitive)
    if primitive.elementwise or not primitive.cases:
        chosen.append((((),) * arity, {}, True))
        chosen.append((((1,),) * arity, {}, True))
        for k in range(arity if arity > 1 else 0):
            chosen.append((tuple((2,) if j == k else () for j in range(arity)), {}, True))
            chosen.append((tuple((3, 1) if j == k else (2,) for j in range(arity)), {}, True))
            chosen.append((tuple((3, 1) if j == k else (3, 3) for j in range(arity)), {}, False))
        chosen.append((((2, 3),) * arity, {}, True))
        chosen.extend((((2, 3),) * arity, params, False) for params in others)
        chosen.extend(((shape,) * arity, {}, False) for shape in ((2, 2, 3), (MANY,)))
        chosen.extend(((shape,) * 6, {}, False) for shape in ((), (2,)) if primitive.variadic)
    for shapes, params in primitive.cases:
        chosen.append((shapes, params, True))
        chosen.extend((shapes, params | other, False) for other in others)
        if primitive.variadic and len(shapes) < 6:
            chosen.append(((*shapes, *(shapes[-1],) * (6 - len(shapes))), params, False))
        if len(shapes) == 1 and 0 < len(shapes[0]) < 3:
            chosen.append((((2,) * (3 - len(shapes[0])) + shapes[0],), params, False))
    return sorted(chosen, key=lambda choice: sum(map(math.prod, choice[0])))


def _draw(primitive: Primitive, shapes: Sequence[Shape], params: dict[str, Any], rng: np.random.Generator) -> Call | None:
    """Operands of these shapes, inside the domain and clear of kinks, or None where 200 attempts find none.

    The numbers are distinct, and have as few decimals as the interval and their number allow: one where it is several units long.
    """
    count = sum(map(math.prod, shapes))
    for _ in range(200):
        pools: dict[tuple[float, float], list[float]] = {}  # operands with the same interval share distinct numbers
        args = []
        for argnum, shape in enumerate(shapes):
            low, high = bounds = interval(primitive, argnum)
            if bounds not in pools:
                decimals = 1 - min(0, math.floor(math.log10((high - low) / 2)))
                while (high - low) * 10.0**decimals < count + 20:
                    decimals += 1
                whole = np.arange(math.ceil(low * 10.0**decimals), high * 10.0**decimals)
                pools[bounds] = [x for x in rng.permutation(whole / 10.0**decimals).tolist() if x]
            pool, size = pools[bounds], math.prod(shape)
            args.append(np.array(pool[:size]).reshape(shape) if shape else pool[0])
            pools[bounds] = pool[size:]
        if clear_of_kinks(primitive, args, params):
            return Call(tuple(args), params)
    return None


# ── single numbers, ties and limits ───────────────────────────────────────────


def scattered_calls(primitive: Primitive) -> Iterator[Call]:
    """Single numbers from tiny to large, clear of kinks: a rule may have a series near 0 and another form far out."""
    if takes_numbers(primitive):
        places = np.arange(2 * len(SIZES))
        columns = [  # the sign of operand k changes after every 2ᵏ places, so that pairs of any two signs are among them
            np.roll(np.repeat(SIZES, 2), 5 * k) * np.where(places >> k & 1, -1.0, 1.0) for k in range(len(primitive.vjps))
        ]
        for params in parameter_sets(primitive):
            for call in _calls_on_rows(primitive, columns, params):
                if clear_of_kinks(primitive, *call, margin=1e-3 * min(1.0, *map(abs, call.args))):
                    yield call


def banded_calls(primitive: Primitive) -> Iterator[Call]:
    """Arrays whose numbers lie close together in one band of sizes: what is wrong in a part of the band shows.

    Of several operands one at a time, beside single numbers.  A primitive that takes only the shapes of its cases gets them
    with very small and with very large numbers.
    """
    arity = len(primitive.vjps)
    if not takes_numbers(primitive):
        for (shapes, params), size in product(primitive.cases, (1e-6, 800.0)):
            counts = [np.arange(math.prod(shape)) for shape in shapes]
            numbers = [size * (1.0 + 0.013 * count) * np.where(count % 3, 1.0, -1.1) for count in counts]
            args = tuple(np.reshape(column, shape) for column, shape in zip(numbers, shapes, strict=True))
            within = all(np.all(inside(primitive, [arg])) for arg in args) and _is_finite(primitive, args, params)
            if within and clear_of_kinks(primitive, args, params, margin=1e-3 * size):
                yield Call(args, params)
        return
    fixed = fixed_operands(primitive)
    for k in range(arity):
        for low, high in pairwise(BANDS):
            sizes = np.geomspace(low, high, 32)[:-1]
            kept = [
                x
                for x in np.concatenate([sizes, -sizes]).tolist()
                if _stands_clear(primitive, (*fixed[:k], x, *fixed[k + 1 :]), 1e-3 * min(1.0, low))
            ]
            if kept:
                call = Call((*fixed[:k], np.array(kept), *fixed[k + 1 :]))
                if _is_finite(primitive, *call):
                    yield call


def _stands_clear(primitive: Primitive, args: Sequence[float], margin: float) -> bool:
    return bool(np.all(inside(primitive, args))) and _is_finite(primitive, args, {}) and clear_of_kinks(primitive, args, {}, margin=margin)


def _calls_on_rows(primitive: Primitive, columns: Sequence[Any], params: dict[str, Any]) -> Iterator[Call]:
    """One call for each row of the columns, an operand in each column, that lies in the domain and has a finite result."""
    for row in dict.fromkeys(zip(*(np.asarray(column).tolist() for column in columns), strict=True)):
        if np.all(inside(primitive, row)) and _is_finite(primitive, row, params):
            yield Call(row, params)


def _is_finite(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> bool:
    """Whether the primitive has a finite result; 1/0.0, for which Python raises, has none."""
    try:
        return bool(np.all(np.isfinite(primitive(*args, **params))))
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return False


def special_calls(primitive: Primitive) -> Iterator[Call]:
    """Calls at the points where a kink may lie: 0, ±1, ±½, ±2, ties, and the zeros of the declared distances."""
    if takes_numbers(primitive):
        arity = len(primitive.vjps)
        for params in parameter_sets(primitive):
            some = SPECIAL if arity == 1 else SPECIAL[:3]
            first, *others = (np.array(column) for column in zip(*product(some, repeat=arity), strict=True))
            on_kinks = [first - kink.distance(first, *others, **params) for kink in primitive.kinks]  # exact where the distance is x - c
            columns = [np.concatenate([first, *on_kinks]), *(np.tile(other, 1 + len(on_kinks)) for other in others)]
            yield from _calls_on_rows(primitive, columns, params)
            rows = [row for kink in primitive.kinks for row in _beside(primitive, kink, params)]
            yield from _calls_on_rows(primitive, list(zip(*rows, strict=True)), params)
        return
    for shapes, params in primitive.cases:
        for numbers in TIED:
            args = tuple(np.resize(numbers, shape) if shape else numbers[0] for shape in shapes)
            if all(np.all(inside(primitive, [arg])) for arg in args) and _is_finite(primitive, args, params):
                yield Call(args, params)


def _beside(primitive: Primitive, kink: Kink, params: dict[str, Any]) -> list[tuple[float, ...]]:
    """Points right beside a kink, where its distance changes sign while one operand runs over its interval.

    So a kink is met that no floating-point number lies on, such as x² = 2.
    """
    fixed = fixed_operands(primitive)
    bounds = [interval(primitive, j, -WIDE, WIDE) for j in range(len(primitive.vjps))]
    found = []
    for k, (start, end) in enumerate(bounds):

        def distance(x: float, k: int = k) -> Any:
            return kink.distance(*fixed[:k], x, *fixed[k + 1 :], **params)

        grid = np.linspace(start, end, GRID).tolist()
        for low, high in pairwise(grid):
            if not distance(low) * distance(high) < 0:
                continue
            while low < (middle := (low + high) / 2) < high:
                low, high = (middle, high) if distance(low) * distance(middle) > 0 else (low, middle)
            found.append((*fixed[:k], high, *fixed[k + 1 :]))
    return found


def limit_calls(primitive: Primitive) -> Iterator[Call]:
    """Arrays without elements, and a NaN in each operand beside numbers in the others."""
    arity = len(primitive.vjps)
    if takes_numbers(primitive):
        yield from (Call((np.zeros(shape),) * arity) for shape in ((0,), (2, 0)))
        yield from (Call(tuple(math.nan if j == k else 0.3 + 0.5 * j for j in range(arity))) for k in range(arity))
