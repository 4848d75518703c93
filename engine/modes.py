"""Modes of recording: `no_grad` and `detect_anomaly`, each a context manager and a decorator.

A mode holds for the thread (or asyncio task) that opened it.  The hot paths ask one number only:
`active`, how many contexts are open anywhere; zero means plain recording.  If it is not zero, `here()` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any

active = 0
_recording: ContextVar[tuple[Any, ...]] = ContextVar("recording", default=())  # the open contexts, the innermost last
_anomaly: ContextVar[tuple[Any, ...]] = ContextVar("anomaly", default=())
NOT_RECORDED, WATCHED = 1, 2
_here: ContextVar[int] = ContextVar("here", default=0)  # what the contexts come to: the sum of the numbers above
here = _here.get


def is_grad_enabled() -> bool:
    """Whether operations on Values are recorded here."""
    return not active or not here() & NOT_RECORDED


def is_anomaly_enabled() -> bool:
    """Whether every number is checked for NaN and inf here."""
    return active > 0 and bool(here() & WATCHED)


class _Context:
    """One use of a mode, from its beginning to its end; generators may end them in any order."""

    __slots__ = ("value",)

    def __init__(self, value: bool):
        self.value = value


class _Mode(ContextDecorator):
    variable: ContextVar[tuple[Any, ...]]
    value: bool

    def __init__(self) -> None:
        self._open: list[_Context] = []

    def _recreate_cm(self) -> _Mode:
        return type(self)()  # as a decorator: every call has its own

    def __enter__(self) -> None:
        global active
        context = _Context(self.value)
        self._open.append(context)
        self._set((*self.variable.get(), context))
        active += 1

    def __exit__(self, *_: Any) -> None:
        global active
        context = self._open.pop()
        active -= 1
        self._set(tuple(other for other in self.variable.get() if other is not context))

    def _set(self, contexts: tuple[Any, ...]) -> None:
        self.variable.set(contexts)
        recording = _recording.get()
        _here.set(NOT_RECORDED * bool(recording and not recording[-1].value) + WATCHED * bool(_anomaly.get()))

    def __call__(self, function: Any) -> Any:
        """The function within the mode; of a generator each stretch between two yields, not what its caller does there.

        Raises:
            TypeError: an asynchronous generator.
        """
        if isasyncgenfunction(function):
            raise TypeError(f"{type(self).__name__} cannot decorate the asynchronous generator {function.__name__}; use `with` inside it")
        if iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self._recreate_cm():
                    return await function(*args, **kwargs)

            return awaited
        if isgeneratorfunction(function):

            @wraps(function)
            def resumed(*args: Any, **kwargs: Any) -> Any:
                return (yield from self._stretches(function(*args, **kwargs)))

            return resumed
        return super().__call__(function)

    def _stretches(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        resume: Callable[[Any], Any] = generator.send
        given: Any = None
        while True:
            try:
                with self._recreate_cm():
                    item = resume(given)
            except StopIteration as end:
                return end.value
            try:
                resume, given = generator.send, (yield item)
            except GeneratorExit:
                with self._recreate_cm():
                    generator.close()
                raise
            except BaseException as error:
                resume, given = generator.throw, error


class no_grad(_Mode):
    """Within it nothing is recorded: results are constants (`requires_grad` is False)."""

    variable, value = _recording, False


class enable_grad(_Mode):
    """Within it operations are recorded, also inside `no_grad`."""

    variable, value = _recording, True


class detect_anomaly(_Mode):
    """Within it the first NaN or inf, forward or backward, raises `AnomalyError`, which names its node."""

    variable, value = _anomaly, True
