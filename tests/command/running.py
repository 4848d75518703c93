"""The command, run in this process or as one of its own, and its tables read back."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from typing import NamedTuple

from engine.command.main import main
from tests import ROOT

JOB = ["tanh(x1*w1 + x2*w2 + b)", "x1=2", "x2=0", "w1=-3", "w2=1", "b=6.8813735870195432"]


class Answer(NamedTuple):
    status: int
    out: str
    err: str


def run(*words: str) -> Answer:
    """The command in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main(words)
    return Answer(status, out.getvalue(), err.getvalue())


def surroundings(**more: str) -> dict[str, str]:
    """The environment of a process that finds this project."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"} | more


def process(*words: str, **more: str) -> Answer:
    """The command as a process, its output in a pipe."""
    command = [sys.executable, "-m", "engine", *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=surroundings(**more), timeout=60)
    return Answer(done.returncode, done.stdout, done.stderr)


def column(text: str, title: str) -> dict[str, str]:
    """The two-column table under a title, as {first: second}."""
    rows = text.split(f"\n{title}")[1].split("\n\n")[0].strip().splitlines()
    return {row.split("   ")[0].strip(): row.split("   ", 1)[1].strip() for row in rows if "   " in row.strip()}
