"""How the contenders are timed: in turns, each turn long enough for the clock, the median of many turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

Step = Callable[[], object]


class Timing(NamedTuple):
    """One contender's result."""

    seconds: float  # of one step: the median over turns
    ratio: float  # to the reference in the same round: the median over rounds


@dataclass
class Contest:
    """One piece of work and those who do it.

    Attributes:
        title: what is done, in a few words.
        reference: who the others are measured against.
        contenders: name -> a function that does the work once.
        goals: what the project promises, in words.
        turn: the seconds that each works before the next one's turn; long where much is allocated, since
            the garbage collector sends its bill late.
        rounds: how many turns each gets.
        with_gc, without_gc: name -> result, with Python's garbage collector on, and off.
    """

    title: str
    reference: str
    contenders: dict[str, Step]
    goals: str = ""
    turn: float = 0.02
    rounds: int = 15
    with_gc: dict[str, Timing] = field(default_factory=dict)
    without_gc: dict[str, Timing] = field(default_factory=dict)

    def run(self) -> Contest:
        """Time everyone with the garbage collector as Python sets it, and again with it off."""
        self.with_gc = self._rounds()
        gc.disable()
        try:
            self.without_gc = self._rounds()
        finally:
            gc.enable()
        return self

    def _rounds(self) -> dict[str, Timing]:
        """Everyone's turn in each round; a ratio compares neighbours in time, so a busy machine slows both."""
        loops = {name: _loops(step, self.turn) for name, step in self.contenders.items()}
        seen: dict[str, list[float]] = {name: [] for name in self.contenders}
        for _ in range(self.rounds):
            for name, step in self.contenders.items():
                gc.collect()  # nobody pays for another's garbage
                start = time.perf_counter()
                for _ in range(loops[name]):
                    step()
                seen[name].append((time.perf_counter() - start) / loops[name])
        against = seen[self.reference]
        return {
            name: Timing(statistics.median(times), statistics.median(t / r for t, r in zip(times, against, strict=True)))
            for name, times in seen.items()
        }


def _loops(step: Step, turn: float) -> int:
    """How many steps fill a turn."""
    step()  # warm
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            step()
        spent = time.perf_counter() - start
        if spent >= turn / 4:
            return max(1, round(count * turn / spent))
        count *= 4
