"""A chain of a million scalar operations, in a process of its own so that its memory can be told."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

OPERATIONS = 1_000_000


def measure() -> dict[str, tuple[float, float]]:
    """For each stage µs an operation and bytes an operation held afterwards."""
    done = subprocess.run([sys.executable, "-m", "tests.benchmarks.chain"], capture_output=True, text=True, check=True)
    return {stage: tuple(numbers) for stage, numbers in json.loads(done.stdout).items()}


def _resident() -> int:
    """Bytes of memory in use; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as numbers:
            return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _main() -> None:
    import engine
    from engine import Value

    found: dict[str, tuple[float, float]] = {}
    held: dict[str, Any] = {}
    gc.collect()
    before = _resident()

    def stage(name: str, work: Callable[[], object]) -> None:
        start = time.process_time()
        work()
        spent = time.process_time() - start
        found[name] = (spent * 1e6 / OPERATIONS, (_resident() - before) / OPERATIONS)

    def forward() -> None:
        leaf = Value(1.0)
        y = leaf
        for _ in range(OPERATIONS // 2):
            y = y * 0.9999999
            y = y + leaf
        held["y"] = y

    stage("forward", forward)
    stage("backward", lambda: held["y"].backward())
    with contextlib.suppress(ImportError):
        explain = engine.explain
        stage("explain its head", lambda: explain(held["y"]))
    stage("garbage collection", gc.collect)
    stage("deletion", held.clear)
    print(json.dumps(found))


if __name__ == "__main__":
    _main()
