"""What `import engine` adds to NumPy's own import, in fresh processes that take turns."""

from __future__ import annotations

import statistics
import subprocess
import sys


def measure(turns: int = 11) -> dict[str, float]:
    """Median seconds: NumPy's import, and the engine's after it."""
    code = (
        "import time; s = time.perf_counter(); import numpy; t = time.perf_counter(); import engine; print(t - s, time.perf_counter() - t)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() for _ in range(turns)]
    return {"NumPy": statistics.median(float(a) for a, _ in runs), "engine, over NumPy": statistics.median(float(b) for _, b in runs)}
