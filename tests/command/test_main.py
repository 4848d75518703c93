"""`python -m engine` is the command; to import the module runs nothing."""

from __future__ import annotations

import subprocess
import sys

from engine.command.main import main


def test_to_import_the_module_runs_nothing() -> None:
    from engine import __main__ as module

    assert module.main is main


def test_python_m_engine_is_the_command() -> None:
    """And its exit status is that of the command."""
    done = subprocess.run([sys.executable, "-m", "engine", "tanh(x"], capture_output=True, text=True)
    assert done.returncode == main(["tanh(x"]) != 0
    assert "never closed" in done.stderr
