"""Optional libraries: imported on use, with an error that says how to install one that is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def require(module: str, extra: str) -> Any:
    """Import a module of an optional library.

    Raises:
        ModuleNotFoundError: the library is missing; the message has the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        raise ModuleNotFoundError(f"this needs {library}: pip install 'chainrule[{extra}]'", name=library) from error
