"""Many parts of one array, many arrays joined, many uses, long chains: the time for each, which must not grow with their number."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

COUNTS = (1_000, 10_000, 100_000)


def measure() -> dict[str, list[float]]:
    """For each way the µs of CPU time a part at each count, forward and backward; each in a process of its own."""
    found: dict[str, list[float]] = {}
    for name in _ways():
        done = subprocess.run([sys.executable, "-m", "tests.benchmarks.parts", name], capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout)
    return found


def _ways() -> dict[str, Callable[[int], Callable[[], Any]]]:
    import numpy as np

    import engine
    from engine import Value

    def total(x: Any, count: int) -> Any:
        result: Any = 0.0
        for i in range(count):
            result = result + x[i] * x[i]
        return result

    def loop(count: int, **options: Any) -> Callable[[], Any]:
        x = Value(np.ones(count))
        return lambda: total(x, count).backward(**options)

    def watched(count: int) -> Callable[[], Any]:
        def work() -> None:
            with engine.detect_anomaly():
                loop(count)()

        return work

    def older(count: int) -> Callable[[], Any]:
        x = Value(np.ones(count))
        return lambda: engine.grad(lambda v: total(x, count) * v)(3.0)

    def joined(join: Any, part: Any) -> Callable[[int], Callable[[], Any]]:
        def make(count: int) -> Callable[[], Any]:
            values = [Value(part) for _ in range(count)]
            return lambda: np.sum(join(values) ** 2).backward()

        return make

    def used(count: int) -> Callable[[], Any]:
        x = Value(2.0)
        return lambda: sum((x * 0.5 for _ in range(count)), x).backward()

    def chain(count: int, **options: Any) -> Callable[[], Any]:
        def work() -> None:
            y = x = Value(0.5)
            for _ in range(count // 2):
                y = y * 0.9 + x
            y.backward(**options)

        return work

    def unrecorded(count: int) -> Callable[[], Any]:
        def work() -> None:
            with engine.no_grad():
                y = x = Value(0.5)
                for _ in range(count // 2):
                    y = y * 0.9 + x

        return work

    return {
        "one number used in many places": used,
        "a chain": chain,
        "a chain, backward(create_graph=True)": lambda count: chain(count, create_graph=True),
        "a chain, inside no_grad": unrecorded,
        "np.stack of numbers": joined(np.stack, 1.0),
        "np.concatenate": joined(np.concatenate, np.ones(1)),
        "x[i] in a loop": loop,
        "x[i], backward(create_graph=True)": lambda count: loop(count, create_graph=True),
        "x[i], in detect_anomaly": watched,
        "x[i] of an older x, in grad(f)": older,
    }


def _main(name: str) -> None:
    found = []
    for count in COUNTS:
        work = _ways()[name](count)
        start = time.process_time()
        work()
        found.append((time.process_time() - start) * 1e6 / count)
    print(json.dumps(found))


if __name__ == "__main__":
    _main(sys.argv[1])
