"""How the contenders are timed.

Each works in a fresh process of its own, on one core, since what shares a process shares its allocator and its
garbage collector.  They take turns, round by round, and each turn is long enough for the clock.  What counts is
CPU time; a ratio compares two turns of the same round, so that a busy machine slows both.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

Step = Callable[[], Any]
Contender = Callable[[], Step]  # imports what it needs and prepares the work; ImportError where that is not installed


class Contest(NamedTuple):
    """One piece of work and those who do it."""

    title: str  # what is done, in a few words
    reference: str  # who the others are measured against
    contenders: dict[str, Contender]  # a step that returns a list of arrays is compared with the reference before the race
    goals: str = ""  # what the project promises, in words
    turn: float = 0.05  # seconds; long where much is allocated, since the garbage collector sends its bill late
    rounds: int = 9


class Timing(NamedTuple):
    """One contender's result."""

    seconds: float  # CPU time of one step: the median over rounds
    ratio: float  # to the reference in the same round: the median over rounds


def race(place: str, contest: Contest) -> dict[str, tuple[Timing, Timing]]:
    """For each contender that is installed: with Python's garbage collector as it comes, and with it off.

    Args:
        place: where a process finds the contest: "module.name".
        contest: the contest.
    """
    again = f"{contest.reference}, again"  # the A/A row: how far two equal processes differ
    with contextlib.ExitStack() as stack:
        started = {name: stack.enter_context(_Process(place, name)) for name in contest.contenders}
        started[again] = stack.enter_context(_Process(place, contest.reference))
        running = {name: process for name, process in started.items() if process.installed}
        agree({name: process.first for name, process in running.items()}, contest.reference)
        results: dict[str, list[Timing]] = {name: [] for name in running}
        for collecting in (True, False):
            counts = {name: process.calibrate(contest.turn, collecting) for name, process in running.items()}
            seen: dict[str, list[float]] = {name: [] for name in running}
            for _ in range(contest.rounds):
                for name, process in running.items():
                    seen[name].append(process.run(counts[name], collecting) / counts[name])
            against = seen[contest.reference]
            for name, times in seen.items():
                ratio = statistics.median(t / r for t, r in zip(times, against, strict=True))
                results[name].append(Timing(statistics.median(times), ratio))
    return {name: (with_gc, without_gc) for name, (with_gc, without_gc) in results.items()}


def agree(first: dict[str, Any], reference: str) -> None:
    """Before the race: all compute the same numbers."""
    expected = first[reference]
    for name, found in first.items():
        if isinstance(expected, list) and isinstance(found, list):
            for theirs, mine in zip(expected, found, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12, err_msg=name)


class _Process:
    """A contender in a process of its own, which waits for its turns."""

    def __init__(self, place: str, name: str):
        cores = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, place, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | cores
        )
        self.installed, self.first = self._answer()

    def calibrate(self, turn: float, collecting: bool) -> int:
        """How many steps fill a turn."""
        count = 1
        while (spent := self.run(count, collecting)) < turn / 4:
            count *= 4
        return max(1, round(count * turn / spent))

    def run(self, count: int, collecting: bool) -> float:
        """The CPU time of so many steps, in seconds."""
        pickle.dump((count, collecting), self._process.stdin)  # type: ignore[arg-type]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return float(self._answer())

    def _answer(self) -> Any:
        return pickle.load(self._process.stdout)  # type: ignore[arg-type]

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *error: Any) -> None:
        self._process.__exit__(*error)  # closes the pipes, at which it ends, and waits for that


def _contend(place: str, name: str) -> None:
    """In the contender's process: prepare, then carry out turns until the input ends."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    module, _, contest = place.partition(".")

    def answer(thing: Any) -> None:
        pickle.dump(thing, sys.stdout.buffer)
        sys.stdout.flush()

    try:
        step = getattr(import_module(f"tests.benchmarks.{module}"), contest)().contenders[name]()
    except ImportError:
        answer((False, None))
        return
    first = step()
    answer((True, first if isinstance(first, list) else None))
    with contextlib.suppress(EOFError):
        while True:
            count, collecting = pickle.load(sys.stdin.buffer)
            gc.collect()  # nobody pays for an earlier turn's garbage
            (gc.enable if collecting else gc.disable)()
            start = time.process_time()
            for _ in range(count):
                step()
            answer(time.process_time() - start)


if __name__ == "__main__":
    _contend(*sys.argv[1:])
