"""The laws of kinks: there is no derivative at the declared kinks, and only there; the vjp is then the entry's convention.

* `at_special_point`: off the declared kinks the vjp is the derivative; on them it follows the entry's convention.
* `declared_kinks_were_met`: each declared kink was met at some point, and the derivative is missing there.
* `no_undeclared_kink`: between the points tried so far the derivative does not jump.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from ..primitives import Kink, Primitive
from .laws import DECLARE_THE_KINK, close, derivative, gradients, operand_names, vjps
from .points import GRID, WIDE, Call, clear_of_kinks, fixed_operands, interval, parameter_sets, takes_numbers

__all__ = ["at_special_point", "declared_kinks_were_met", "no_undeclared_kink"]

STEP = 1e-5  # to either side of a kink


def at_special_point(met: dict[Kink, bool], primitive: Primitive, call: Call) -> None:
    """Off the declared kinks the vjp is the derivative; on them it follows the entry's convention.

    Args:
        met: the kinks met so far, each with whether the derivative is missing there; this call's are added.
    """
    distances = {kink: np.absolute(kink.distance(*call.args, **call.params)) for kink in primitive.kinks}
    exactly = [kink for kink, distance in distances.items() if np.any(distance == 0)]
    size = 1.0 + max(float(np.max(np.absolute(arg), initial=0.0)) for arg in call.args)
    on = exactly or [kink for kink, distance in distances.items() if np.any(distance < 1e-13 * size)]
    if not on:
        if all(np.all(distance > 1e-3) for distance in distances.values()):
            derivative(primitive, call)
        return
    for kink in on:
        met.setdefault(kink, False)
    for k, _ in vjps(primitive, call):
        for i in range(math.prod(np.shape(call.args[k]))):
            (_, here), (f_left, left), (f_right, right) = (_slope(primitive, call, k, i, step) for step in (0.0, -STEP, STEP))
            if not math.isfinite(left + right):
                continue
            if exactly:
                _follows_convention(primitive, call, on, k, (left, here, right))
            if not all(met[kink] for kink in on):
                missing = not _about_equal(left, right) or not close(f_left, f_right, 1e-2) or _bends(primitive, call, k, i)
                for kink in on:
                    met[kink] = met[kink] or missing
    if not takes_numbers(primitive) and all("evenly" in kink.value for kink in on):
        _shares_add_up(primitive, call, on)


def declared_kinks_were_met(met: dict[Kink, bool], primitive: Primitive) -> None:
    """Each declared kink was met at one of the special points, and there is no derivative there."""
    for kink in primitive.kinks:
        if takes_numbers(primitive) and _has_an_inside(primitive, kink):
            raise AssertionError(
                f'the rule of {primitive.name} is wrong: its kink "{kink.where}" is an interval; the distance is 0 at the kink itself only'
            )
        if not met.get(kink):
            problem = "has a derivative at every point of it that was tried" if kink in met else "was not met at any point that was tried"
            raise AssertionError(f'the rule of {primitive.name} is wrong: it declares the kink "{kink.where}", which {problem}')


def _has_an_inside(primitive: Primitive, kink: Kink) -> bool:
    """Whether the distance is 0 between two points as well, while the first operand runs over its interval."""
    others = fixed_operands(primitive)[1:]
    zero = [np.all(np.equal(kink.distance(float(x), *others), 0.0)) for x in np.linspace(*interval(primitive, 0), GRID)]
    return any(one and two for one, two in pairwise(zero))


def no_undeclared_kink(primitive: Primitive) -> None:
    """Between the points tried so far the derivative does not jump, except at the declared kinks.

    Each operand in turn runs over its interval, while the others stay.
    """
    if not takes_numbers(primitive):
        return
    for params in parameter_sets(primitive):
        fixed = fixed_operands(primitive)
        for k, _ in vjps(primitive, Call(tuple(fixed), params)):
            _no_undeclared_kink_for(primitive, fixed, params, k)


def _no_undeclared_kink_for(primitive: Primitive, fixed: list[float], params: dict[str, Any], k: int) -> None:
    """The derivative by operand k does not jump while it runs over its interval.

    Where the slopes at two neighbouring points differ by more than at the neighbouring pairs, bisection narrows the
    interval.  If the derivative is continuous, the two slopes approach each other; if it jumps, they do not.
    """

    def call_at(x: float) -> Call:
        return Call((*fixed[:k], float(x), *fixed[k + 1 :]), params)

    def slope(x: float) -> float:
        return _slope(primitive, call_at(x), k, 0, 0.0)[1]

    grid = np.linspace(*interval(primitive, k, -WIDE, WIDE), GRID)[1:-1]
    slopes = np.array(list(map(slope, grid)))
    changes = np.absolute(np.diff(slopes))
    beside = np.maximum(np.roll(changes, 1), np.roll(changes, -1))
    for i in np.flatnonzero(changes > 1.3 * beside + 1e-6):
        (a, b), (left, right) = grid[i : i + 2], slopes[i : i + 2]
        for _ in range(40):
            middle = (a + b) / 2
            here = slope(middle)
            if abs(here - left) > abs(right - here):
                b, right = middle, here
            else:
                a, left = middle, here
        there = call_at(b)
        if 0.1 * changes[i] < abs(right - left) < 10 * changes[i] and clear_of_kinks(primitive, *there, margin=1e-6):
            names = operand_names(primitive, len(fixed))
            at = ", ".join(f"{name} = {x:.6g}" for name, x in zip(names, there.args, strict=True))
            raise AssertionError(
                f"the rule of {primitive.name} is wrong: there is a kink for operand {names[k]} at {at} "
                f"(the derivative is {left:.6g} to its left, {right:.6g} to its right) {DECLARE_THE_KINK}"
            )


# ── on a kink ─────────────────────────────────────────────────────────────────


def _slope(primitive: Primitive, call: Call, k: int, i: int, step: float) -> tuple[Any, float]:
    """The result, and the gradient of element i of operand k, with that element moved by a step."""
    args = list(call.args)
    moved = np.array(args[k], float)
    moved.flat[i] += step
    args[k] = moved if moved.ndim else float(moved)
    out = primitive(*args, **call.params)
    _, found = gradients(primitive, Call(tuple(args), call.params), np.ones(np.shape(out)) if np.ndim(out) else 1.0)
    return out, float(np.ravel(found[k])[i])


def _about_equal(one: float, two: float) -> bool:
    """Whether two slopes that lie a step apart can be those of one smooth function."""
    return abs(one - two) <= 1e-3 * (1.0 + abs(one) + abs(two))


def _follows_convention(primitive: Primitive, call: Call, on: list[Kink], k: int, slopes: tuple[float, float, float]) -> None:
    """The vjp of operand k on the kinks is the entry's convention.

    If the derivative by this operand exists there, the vjp must be that.  If the entry gives no single number, as
    for ties that share evenly, the vjp must lie between the slopes on the two sides.
    """
    left, here, right = slopes
    if _about_equal(left, right):
        expected = [(left + right) / 2]
    else:
        expected = [value for kink in on if (value := _convention(kink, left, right)) is not None]
    shared = any("evenly" in kink.value for kink in on)
    between = min(left, right) < here < max(left, right) if shared else min(left, right) <= here <= max(left, right)
    if any(_about_equal(here, value) for value in expected) if expected else between:
        return
    said = " or ".join(f"{value:.6g}" for value in dict.fromkeys(expected)) or "a number between"
    raise AssertionError(
        f"on the kink {_places(on)} the derivative for operand {operand_names(primitive, len(call.args))[k]} is {here:.6g}, "
        f"from the left {left:.6g} and from the right {right:.6g}; by the entry it is {said}"
    )


def _convention(kink: Kink, left: float, right: float) -> float | None:
    """The number that the entry's words stand for, given the slopes on the two sides; None if they give no single number."""
    if kink.value.startswith("0"):
        return 0.0
    if "left" in kink.value:
        return left
    return right if "right" in kink.value else None


def _bends(primitive: Primitive, call: Call, k: int, i: int) -> bool:
    """Whether the derivative itself has a kink here: its slopes on the left and on the right differ."""
    a, b, c, d = (_slope(primitive, call, k, i, step)[1] for step in (-2e-3, -1e-3, 1e-3, 2e-3))
    return abs((b - a) - (d - c)) > 0.1 * (abs(b - a) + abs(d - c)) + 1e-9


def _shares_add_up(primitive: Primitive, call: Call, on: list[Kink]) -> None:
    """Where ties share, the shares of all operands add up to the derivative of moving all of them together."""
    ahead, behind = (primitive(*(arg + step for arg in call.args), **call.params) for step in (STEP, -STEP))
    whole = float(np.sum((ahead - behind) / (2 * STEP)))
    _, found = gradients(primitive, call, np.ones(np.shape(ahead)) if np.ndim(ahead) else 1.0)
    shares = float(sum(np.sum(gradient) for gradient in found if gradient is not None))
    if not _about_equal(whole, shares):
        raise AssertionError(f"on the kink {_places(on)} the shares add up to {shares:.6g}, the whole is {whole:.6g}")


def _places(on: list[Kink]) -> str:
    return " and ".join(f'"{kink.where}"' for kink in on)
