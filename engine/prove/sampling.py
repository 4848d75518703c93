"""Which derivatives are compared: the modes of `check`.

Each element by itself, or random projections of many at once; the order at which the Taylor remainder
vanishes; or forward mode against reverse mode.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import calculus
from .differences import LEVELS, Array
from .precision import Line, Point
from .results import IMPRECISE, RIGHT, WRONG, Block
from .subjects import Subject, ValueFunction, subscript
from .verdicts import judge

__all__ = ["elements", "projections", "taylor", "transpose"]


# ── each element ──────────────────────────────────────────────────────────────


def elements(point: Point, progress: bool | None) -> list[Block]:
    """Each element of each input by itself."""
    labels, subject = point.labels(), point.subject
    blocks = [Block(name, labels, list(np.ndindex(leaf.shape))) for name, leaf in zip(subject.names, subject.leaves, strict=True)]
    for k, i in with_progress_bar([(k, i) for k, leaf in enumerate(point.leaves) for i in range(leaf.size)], progress):
        line = point.axis(k, i)
        found = judge(point, line)
        if line.length < 1e-4 and (found.verdict == IMPRECISE).any():  # steps relative to so small a number may be smaller than rounding
            from_zero = judge(point, Line(k, line.direction, 1.0))
            found = from_zero if (from_zero.verdict == RIGHT).all() else found
        found.write_to(blocks[k], i)
    return blocks


# ── random directions ─────────────────────────────────────────────────────────


def _blocks_of_directions(point: Point, directions: int) -> tuple[list[Block], list[tuple[int, int]]]:
    """A block for each input with a place for each direction, and the pairs (input, direction) to fill in."""
    blocks = [Block(name, point.labels(), [()] * directions) for name in point.subject.names]
    return blocks, [(k, i) for k, leaf in enumerate(point.leaves) if leaf.size for i in range(directions)]


def projections(point: Point, directions: int, progress: bool | None) -> list[Block]:
    """The derivatives along random directions in each input; the note on the first wrong one names an element that is wrong."""
    blocks, work = _blocks_of_directions(point, directions)
    for k, i in with_progress_bar(work, progress):
        line = point.random_line(k)
        found = judge(point, line)
        found.write_to(blocks[k], i)
        for j, verdict in enumerate(found.verdict.tolist()):
            note = f"along v = {_numbers(line.direction)}"
            if verdict == WRONG and not any("wrong at" in note for note in blocks[k].notes.values()):
                note += f"; wrong at {point.subject.names[k]}{subscript(_wrong_element(point, line, j))}"
            blocks[k].notes[j, i] = "; ".join(filter(None, [note, found.notes.get(j, "")]))
    for block, leaf in zip(blocks, point.leaves, strict=True):
        if not leaf.size:
            block.verdict[:] = RIGHT
    return blocks


def _numbers(vector: Any) -> str:
    """A vector for a note: its first and last numbers."""
    formatter: Any = {"float": lambda number: f"{number:.3g}"}
    return np.array2string(np.asarray(vector, float).ravel(), separator=", ", threshold=6, edgeitems=2, formatter=formatter)


def _wrong_element(point: Point, line: Line, j: int) -> tuple[int, ...]:
    """An element of the leaf by which the derivative of output j is wrong, found by bisection of the direction."""
    low, high = 0, line.direction.size
    while high - low > 1:
        middle = (low + high) // 2
        part = np.zeros_like(line.direction)
        part[low:middle] = line.direction[low:middle]
        wrong = judge(point, Line(line.leaf, part, line.length)).verdict[j] == WRONG
        low, high = (low, middle) if wrong else (middle, high)
    return tuple(int(n) for n in np.unravel_index(low, point.leaves[line.leaf].shape))


def taylor(point: Point, directions: int) -> list[Block]:
    """The order at which the remainder f(x + hv) - f(x) - h⟨∇f, v⟩ vanishes as h goes to 0: 2 where the gradient is right."""
    blocks, work = _blocks_of_directions(point, directions)
    for k, i in work:
        line = point.random_line(k)
        found = judge(point, line)
        order = _order_of_the_remainder(point, line)
        found.analytic, found.slope, found.allowed = np.full(len(order), 2.0), order, np.full(len(order), 0.2)
        along = f"the remainder along v = {_numbers(line.direction)} shrinks like"
        found.notes = {j: f"{along} h^{order[j]:.2f}" for j in range(len(order))}
        found.verdict[(order < 1.8) & (found.verdict == RIGHT)] = IMPRECISE
        found.write_to(blocks[k], i)
    return blocks


def _order_of_the_remainder(point: Point, line: Line) -> Array:
    """For each output the slope of log |remainder| over log h, at the smallest steps where rounding does not hide the remainder.

    Where rounding hides it at every step, as for a linear function, which has none, the order is 2.
    """
    steps = [point.step / 4.0**level for level in range(LEVELS)]
    linear = point.exact[line.leaf] @ line.direction
    rule_rounding = point.rule_rounding[line.leaf] @ np.abs(line.direction)
    remainders = np.array([np.abs(point.at(line, h) - point.here - h * linear) for h in steps])
    noise = np.array([64 * point.eps * (point.magnitude + h * np.abs(linear)) + h * rule_rounding for h in steps])
    order = np.full(len(linear), 2.0)
    for j in range(len(order)):
        measurable = remainders[:, j] > 100 * noise[:, j]
        slopes = np.log(remainders[:-1, j] / remainders[1:, j])[measurable[:-1] & measurable[1:]] / np.log(4.0)
        if len(slopes):
            order[j] = slopes[-1]
    return order


# ── forward mode against reverse mode ─────────────────────────────────────────


def transpose(subject: Subject, rng: np.random.Generator, directions: int) -> list[Block]:
    """⟨u, Jv⟩ = ⟨Jᵀu, v⟩ for random u and v: each vjp must be linear in its cotangent, as the transpose of a linear map is.

    Raises:
        ValueError: the function is not one of the engine's Values.
    """
    if not isinstance(subject, ValueFunction):
        raise ValueError("check: mode='transpose' compares with the engine's forward mode, so it needs a function of Values")

    def flat(*leaves: Any) -> Any:
        outputs = [output for _, output in subject.call(leaves)]
        return outputs[0] if len(outputs) == 1 else np.concatenate([np.reshape(output, (-1,)) for output in outputs])

    leaves = [leaf[()] for leaf in subject.leaves]
    output, pull = calculus.vjp(flat, *leaves)
    blocks = []
    for k, (name, leaf) in enumerate(zip(subject.names, subject.leaves, strict=True)):
        block = Block(name, ["⟨u, Jv⟩"], [()] * directions)
        for i in range(directions):
            u = np.asarray(rng.standard_normal(np.shape(output)))
            tangents: list[Any] = [np.zeros_like(other)[()] for other in subject.leaves]
            tangents[k] = np.asarray(rng.standard_normal(leaf.shape))[()]
            pulled = pull(u if np.ndim(output) else float(u))
            back = np.asarray(pulled if len(leaves) == 1 else pulled[k])
            pushed = np.asarray(calculus.jvp(flat, leaves, tangents)[1])
            reverse, forward = np.sum(back * tangents[k]), np.sum(pushed * u)
            size = np.sum(np.abs(back * tangents[k])) + np.sum(np.abs(pushed * u))
            error = 64 * float(np.finfo(leaf.dtype).eps) * np.sqrt(leaf.size + u.size) * size
            block.analytic[0, i], block.numerical[0, i], block.error[0, i] = reverse, forward, error
            block.verdict[0, i] = RIGHT if abs(reverse - forward) <= error else WRONG
            block.notes[0, i] = f"analytic: reverse mode, numerical: forward mode; u = {_numbers(u)}, v = {_numbers(tangents[k])}"
        blocks.append(block)
    return blocks


# ── progress ──────────────────────────────────────────────────────────────────


def with_progress_bar(work: Sequence[Any], show: bool | None) -> Iterable[Any]:
    """The items of a list; a progress bar on stderr appears once they take over a second.

    Args:
        show: whether to show it; None shows it on a terminal.
    """
    if not (sys.stderr.isatty() if show is None else show):
        yield from work
        return
    from rich.console import Console
    from rich.progress import Progress

    started, bar = time.monotonic(), Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("checking", total=len(work))
    try:
        for done, item in enumerate(work):
            if time.monotonic() - started > 1.0:
                bar.start()
                bar.update(task, completed=done)
            yield item
    finally:
        bar.stop()
