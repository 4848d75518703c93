"""Verdicts: what the numbers along one line, and the recorded graph, say about the derivatives there.

`judge` compares the analytic derivatives with numerical ones at smaller and smaller steps.  An output may have no
verdict after the smallest step.  Then its one-sided limits show whether it has a kink at the point, or is
undefined on one side; otherwise it is smooth but noisy.  The verdict "wrong" stands only if nothing else explains
the difference.  Four explanations are tried:

* other steps give another numerical derivative (`derivatives.confirm`);
* a node of the graph lies on its kink, where the derivative is a convention (`look_for_kinks`);
* the function itself has a large rounding error (`allow_for_rounding`);
* the difference is 0 beside the range of the function (`allow_for_saturation`).

A rule that is right as a formula is then judged in the dtype in which it is used (`judge_own_dtype`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .derivatives import STEP_SEQUENCE, Derivatives, confirm, refine, sides_differ, tolerance
from .differences import Array, Estimate
from .precision import DOUBLE, SAFETY, TINY, Line, Point, nearest_power_of_two
from .results import DISCONNECTED, DOMAIN, IMPRECISE, KINK, OPEN, RIGHT, WRONG
from .subjects import KinkNode

__all__ = ["judge"]


def judge(point: Point, line: Line, *, ask_graph: bool = True) -> Derivatives:
    """Decide on the derivatives of all outputs along one line."""
    d = Derivatives(point, line)
    last = refine(point, d)
    if last is not None and (d.verdict == OPEN).any():
        jumps_left, jumps_right = jumps(point, line, -1.0), jumps(point, line, 1.0)
        for j in np.flatnonzero(d.verdict == OPEN).tolist():
            if not decide_one_sided(point, d, j, last, jumps_left[j], jumps_right[j]):
                decide_smooth(point, d, j, last)
    if (d.verdict == WRONG).any():
        confirm(point, d)
    if ask_graph and point.kink_nodes:
        look_for_kinks(point, d, last)
    if (d.verdict == WRONG).any():
        allow_for_rounding(point, d)
        if not point.connected[line.leaf]:
            d.conclude(d.verdict == WRONG, DISCONNECTED, "f depends on it, but no path of the graph leads to it")
    if ((d.verdict == WRONG) | (d.verdict == IMPRECISE)).any():
        allow_for_saturation(point, d)
    judge_own_dtype(point, d)
    rounded = np.where(d.verdict == WRONG, 0.0, d.rule_rounding) if point.widened else 0.0
    d.allowed = np.maximum(tolerance(point, d, d.slope, d.error), d.floor) + rounded
    return d


# ── outputs without a verdict after the smallest step ──────────────────────────────────────────────


def jumps(point: Point, line: Line, side: float) -> Array:
    """Whether each output jumps on one side of the point: the shortest step changes it as much as longer ones."""
    step = side * point.step * line.length
    longest, longer, shortest = (np.abs(point.at(line, step * STEP_SEQUENCE[k]) - point.here) for k in (0, -2, -1))
    return (shortest > 0.01 * longest) & (shortest > 0.5 * longer) & (shortest > 1e3 * point.eps * point.magnitude)


def decide_one_sided(point: Point, d: Derivatives, j: int, last: Estimate, jumps_left: Any, jumps_right: Any) -> bool:
    """The verdict on output j if its two sides differ at the smallest steps; returns whether they do.

    At a kink every number between the derivatives from the left and from the right is accepted as a convention:
    these are the generalized gradients of Clarke 1983, "Optimization and nonsmooth analysis".
    """
    here, exact, left, right = point.here[j], d.exact[j], last.left[j], last.right[j]
    allowance = d.explained[j] + point.atol
    if not np.isfinite(here):
        d.conclude_one(j, DOMAIN, np.nan, np.nan, f"the function is {here} here")
    elif not last.finite[j]:
        known, error, side = (right, last.right_error[j], "right") if np.isfinite(right) else (left, last.left_error[j], "left")
        note = f"defined only to the {side}" if np.isfinite(known) else "not finite on either side"
        usable = error <= point.thresholds.usable * abs(known)
        d.conclude_one(j, DOMAIN, known if usable else np.nan, error if usable else np.nan, note)
    elif jumps_left != jumps_right:  # infinite on the side of the jump, a derivative on the other
        known, error = (right, last.right_error[j]) if jumps_left else (left, last.left_error[j])
        slack = SAFETY * error + allowance
        between = exact >= known - slack if last.slope[j] > 0 else exact <= known + slack
        d.conclude_one(j, KINK if between else WRONG, known, error, f"jumps on the {'left' if jumps_left else 'right'}")
    elif sides_differ(point, last)[j]:
        slack = SAFETY * last.gap_error[j] + 1e-9 * last.scale[j] + allowance
        between = min(left, right) - slack <= exact <= max(left, right) + slack
        note = f"{left:.6g} from the left, {right:.6g} from the right"
        d.conclude_one(j, KINK if between else WRONG, last.slope[j], last.error[j], note)
    else:
        return False
    return True


def decide_smooth(point: Point, d: Derivatives, j: int, last: Estimate) -> None:
    """The verdict on output j if its two sides agree, but the error of its numerical derivative is large."""
    if not np.isfinite(d.slope[j]):
        d.slope[j], d.error[j], d.typical[j] = last.slope[j], last.error[j], last.typical[j]
    error, typical = d.error[j], d.typical[j]
    gap, allowed = abs(d.exact[j] - d.slope[j]), tolerance(point, d, d.slope, d.error)[j]
    if gap <= allowed:
        # The error must be small compared with the derivative, or with the largest derivative by the same input.  If the
        # noise of the function, or the rounding of the rule, allows no better, then two digits must agree.
        size = max(abs(d.exact[j]), abs(d.slope[j]))
        noise = 64 * point.eps * point.magnitude[j] / (point.step * d.line.length)
        meaningful = allowed <= max(0.5 * size, 0.5 * typical, 1e-8 * d.largest)
        unavoidable = min(max(noise, 1e4 * DOUBLE * d.unit[j], d.rule_rounding[j]), 0.03 * size)
        enough = max(point.thresholds.usable * typical, 1e-9 * d.largest, unavoidable)
        verdict = RIGHT if error <= enough and meaningful else IMPRECISE
    else:
        # A numerical derivative with a large error means nothing: f is mostly noise, or oscillates within the smallest step,
        # as sin(exp(200)) does.  That of a constant has no size of its own to compare the error with.
        verdict = WRONG if gap > 4 * allowed and error <= max(0.1 * typical, 1e-6 * d.unit[j]) else IMPRECISE
    d.verdict[j] = verdict
    if verdict == IMPRECISE:
        d.notes[j] = "the function is too noisy here to decide"


# ── what the recorded graph knows ─────────────────────────────────────────────


def allow_for_rounding(point: Point, d: Derivatives) -> None:
    """Replace wrong by imprecise where the rounding error of the function, to first order, explains the difference."""
    explained = SAFETY * point.rounding_of_outputs / (point.step * d.line.length)
    small = np.abs(d.exact - d.slope) <= explained
    d.conclude((d.verdict == WRONG) & small, IMPRECISE, "rounding inside the function explains the difference")


def secants(point: Point, line: Line) -> Array:
    """The steepest secants over distances as long as the input, once and twice, or as the largest input: the function's range.

    A change counts up to the size of the output and of the inputs, or an exponential would have any range.
    """
    inputs = max(float(np.max(np.abs(leaf), initial=0.0)) for leaf in point.leaves) or 1.0
    most, steepest = np.maximum(np.abs(point.here), inputs), np.zeros(len(point.here))
    longest = max(line.length, nearest_power_of_two(inputs / float(np.max(np.abs(line.direction)))))
    for distance in {line.length, longest}:
        for t in (-2 * distance, -distance, distance, 2 * distance):
            change = np.abs(point.at(line, t) - point.here)
            steepest = np.fmax(steepest, np.where(np.isfinite(change), np.minimum(change, most), 0.0) / distance)
    return steepest


def allow_for_saturation(point: Point, d: Derivatives) -> None:
    """A difference that is 0 beside the function's range is rounding: for instance at 7, where erf' is 6e-22 and erf is 1."""
    steepest = secants(point, d.line)
    floor = np.where(np.abs(d.exact) <= 1e4 * DOUBLE * steepest, 1e3, 64.0) * DOUBLE * steepest
    doubted = (d.verdict == WRONG) | (d.verdict == IMPRECISE)
    hidden = doubted & (np.abs(d.exact - d.slope) <= floor)
    d.floor = np.where(hidden, floor, d.floor)
    d.conclude(hidden, RIGHT, "the difference is 0 beside the range of the function")


def look_for_kinks(point: Point, d: Derivatives, last: Estimate | None) -> None:
    """Find the nodes of the graph that lie on their kink, and name the first one in the notes.

    If a node lies on its kink and leaves it when the input moves, then the analytic derivative is a convention,
    even if the kinks cancel in the output and the numerical derivative exists.  So the rule is judged at a
    neighbour on each side of the point, where no convention is needed.
    """
    distance = nearest_power_of_two(point.step * d.line.length)
    leaving = nodes_leaving_their_kink(point, d.line, distance)
    if not leaving:
        return
    first = leaving[0][0]
    name = f"{first.name} lies on its kink, {first.where}"
    depends = last is None or last.scale != 0
    d.notes |= {j: f"{name}: {d.notes[j]}" for j in np.flatnonzero(d.verdict == KINK).tolist() if j in d.notes}
    d.conclude((d.verdict == RIGHT) & depends, KINK, name)
    doubted = (d.verdict == WRONG) | (d.verdict == IMPRECISE)
    if not doubted.any():
        return
    left, right = judge_at_neighbour(point, d.line, -distance / 1024), judge_at_neighbour(point, d.line, distance / 1024)
    allowed = doubted & (left.verdict == RIGHT) & (right.verdict == RIGHT)
    if sum(count for _, count in leaving) == 1:  # a single kink cannot cancel: the derivative lies between those of the neighbours
        slack = 1e-2 * (np.abs(left.exact) + np.abs(right.exact)) + d.explained
        allowed &= np.minimum(left.exact, right.exact) - slack <= d.exact
        allowed &= d.exact <= np.maximum(left.exact, right.exact) + slack
    d.conclude(allowed, KINK, f"{name}; right on either side")


def nodes_leaving_their_kink(point: Point, line: Line, distance: float) -> list[tuple[KinkNode, int]]:
    """The nodes with elements that lie on their kink and leave it when the input moves, with the number of such elements.

    The list is empty if the program takes another branch there, so that the two graphs cannot be compared.
    """
    there = point.subject.kinks(_in_own_dtype(point, line, distance))
    if [node.name for node in there] != [node.name for node in point.kink_nodes]:
        return []
    return [
        (node, int(np.count_nonzero(left)))
        for node, after in zip(point.kink_nodes, there, strict=True)
        if node.distance.shape == after.distance.shape and (left := node.near & (node.distance != after.distance)).any()
    ]


def judge_at_neighbour(point: Point, line: Line, distance: float) -> Derivatives:
    """The verdicts at a neighbour of the point, with steps so short that they do not reach the point."""
    subject = point.subject.at(_in_own_dtype(point, line, distance))
    neighbour = Point(subject, point.rng, point.step / 4096, point.atol, point.rtol, point.cotangents)
    return judge(neighbour, line, ask_graph=False)


def _in_own_dtype(point: Point, line: Line, distance: float) -> list[Array]:
    """The leaves at a distance along a line, in the dtypes in which they were given."""
    moved = point.moved(line, point.dtype.type(distance))
    return [leaf.astype(own.dtype) for leaf, own in zip(moved, point.subject.leaves, strict=True)]


# ── the derivative in its own dtype ───────────────────────────────────────────


def judge_own_dtype(point: Point, d: Derivatives) -> None:
    """A rule that is right as a formula may still overflow, or lose its digits, in the dtype in which it is used."""
    good = (d.verdict == RIGHT) | (d.verdict == KINK)
    own = np.finfo(point.analytic[d.line.leaf].dtype)
    finite = np.isfinite(d.analytic)
    overflows = np.abs(d.exact) > float(own.max)  # then an infinite derivative is the right one
    d.conclude(good & ~finite & ~overflows, WRONG, "right in a wider dtype, not finite in this one")
    if not point.widened:
        return
    good &= finite
    if not (good & (d.rule_rounding > 1e-3 * np.abs(d.exact) + TINY)).any():
        return
    unit = np.maximum(d.unit, secants(point, d.line))
    differs = d.rule_rounding > 1e-2 * np.abs(d.exact) + min(1e3 * point.own_eps, 1 / 16) * unit + 4 * float(own.tiny)
    if (good & differs).any():
        d.conclude(good & differs & differs_alike(point, d), WRONG, "right in a wider dtype, wrong in this one")
    good &= d.verdict != WRONG
    loses = d.rule_rounding > 1e-3 * np.abs(d.exact) + 1e4 * point.own_eps * unit + TINY
    d.conclude(good & loses, IMPRECISE, "the formula is right, but loses its digits in this dtype")


def differs_alike(point: Point, d: Derivatives) -> Array:
    """Whether the derivative in its own dtype differs from the exact one by the same factor everywhere near the point.

    Rounding differs up here and down there; a mistake differs alike.
    """
    ratios = []
    for t in (-0.031, -0.017, -0.0071, 0.0, 0.0053, 0.013, 0.029):
        leaves = _in_own_dtype(point, d.line, t * d.line.length)
        own, _ = point.subject.at(leaves).vjp(point.cotangents)
        wide, _ = point.subject.at([leaf.astype(point.dtype) for leaf in leaves]).vjp(point.cotangents)
        ratios.append((own[d.line.leaf] @ d.line.direction) / (wide[d.line.leaf] @ d.line.direction))
    mean, spread = np.mean(ratios, axis=0), np.std(ratios, axis=0)
    return np.asarray(np.abs(mean - 1.0) > 4.0 * spread)
