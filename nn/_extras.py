"""Libraries that only some of nn needs: imported on use, and asked for by name where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def require(module: str, extra: str) -> Any:
    """The module; ModuleNotFoundError with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        raise ModuleNotFoundError(f"this needs {library}: pip install 'chainrule[{extra}]'", name=library) from error
