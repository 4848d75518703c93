"""Modes of recording: `no_grad` and `detect_anomaly`, each a context manager and a decorator.

A mode holds for the thread (or asyncio task) that opened it.  The hot paths ask one number only:
`active`, how many contexts are open anywhere; zero means plain recording.
"""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any

active = 0
_recording = ContextVar("recording", default=True)
_anomaly = ContextVar("anomaly", default=False)


def is_grad_enabled() -> bool:
    """Whether operations on Values are recorded here."""
    return not active or _recording.get()


def is_anomaly_enabled() -> bool:
    """Whether every number is checked for NaN and inf here."""
    return active > 0 and _anomaly.get()


class _Mode(ContextDecorator):
    variable: ContextVar[bool]
    value: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def _recreate_cm(self) -> _Mode:
        return type(self)()  # as a decorator: every call has its own

    def __enter__(self) -> None:
        global active
        self._before.append(self.variable.get())
        self.variable.set(self.value)
        active += 1

    def __exit__(self, *_: Any) -> None:
        global active
        active -= 1
        self.variable.set(self._before.pop())


class no_grad(_Mode):
    """Within it nothing is recorded: results are constants (`requires_grad` is False)."""

    variable, value = _recording, False


class enable_grad(_Mode):
    """Within it operations are recorded, also inside `no_grad`."""

    variable, value = _recording, True


class detect_anomaly(_Mode):
    """Within it the first NaN or inf, forward or backward, raises `AnomalyError`, which names its node."""

    variable, value = _anomaly, True
