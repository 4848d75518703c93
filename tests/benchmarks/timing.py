"""How the contenders are timed: in turns, each turn long enough for the clock, the median of many turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Step = Callable[[], object]


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
    """

    title: str
    reference: str
    contenders: dict[str, Step]
    goals: str = ""
    turn: float = 0.02
    seconds: dict[str, float] = field(default_factory=dict)
    without_gc: dict[str, float] = field(default_factory=dict)

    def run(self, turns: int = 15) -> Contest:
        """Time everyone with the garbage collector as Python sets it, and again with it off."""
        self.seconds = _take_turns(self.contenders, turns, self.turn)
        gc.disable()
        try:
            self.without_gc = _take_turns(self.contenders, turns, self.turn)
        finally:
            gc.enable()
        return self


def _take_turns(contenders: dict[str, Step], turns: int, turn: float) -> dict[str, float]:
    """The median seconds of one step of each."""
    loops = {name: _loops(step, turn) for name, step in contenders.items()}
    seen: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, step in contenders.items():
            gc.collect()  # nobody pays for another's garbage
            start = time.perf_counter()
            for _ in range(loops[name]):
                step()
            seen[name].append((time.perf_counter() - start) / loops[name])
    return {name: statistics.median(times) for name, times in seen.items()}


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
