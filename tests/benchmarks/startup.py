"""What `import engine` adds to NumPy's own import, in fresh processes, their bytecode compiled before."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

CODE = "import time; s = time.perf_counter(); import numpy; t = time.perf_counter(); import engine; print(t - s, time.perf_counter() - t)"


def measure(turns: int = 11) -> dict[str, float]:
    """Median seconds: NumPy's import, and the engine's after it."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        runs = []
        for _ in range(turns + 1):
            done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment)
            runs.append(tuple(map(float, done.stdout.split())))
    numpy, engine = zip(*runs[1:], strict=True)  # the first run compiles
    return {"NumPy": statistics.median(numpy), "engine, over NumPy": statistics.median(engine)}
