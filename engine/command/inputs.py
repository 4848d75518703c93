"""Reading the variables' values: numbers, lists, constant expressions, and tables from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .errors import CommandError
from .expression import CONSTANTS, ExpressionError, parse

__all__ = ["read_file", "read_value"]


def read_value(name: str, text: str) -> Any:
    """The value of the variable `name`: a float or a float64 array from an expression without variables, or the table in "@FILE".

    Raises:
        CommandError: the text is not an expression, has variables, or names a file that cannot be read.
    """
    try:
        if text.startswith("@"):
            return read_file(Path(text[1:]).expanduser())
        expression = parse(text)
        if variables := expression.names.keys() - CONSTANTS.keys():
            column = min(expression.names[variable] for variable in variables)
            raise ExpressionError(column, "a value is made of numbers and lists; for a file write @ before its name")
        return expression.evaluate({})
    except (CommandError, ExpressionError, RuntimeError) as error:  # RuntimeError: "~nobody" is no user's home
        raise CommandError(f"{name}: {error}") from error


def read_file(path: Path) -> Any:
    """A table of real numbers from a file.

    Args:
        path: a `.npy` file, or text in UTF-8 with commas between the cells, with or without a header line.

    Returns:
        From `.npy`, the array as it is.  From text, a float64 array: (rows, columns), or (rows,) where there is one column.

    Raises:
        CommandError: the file cannot be read, or holds something else.  Pickled objects are refused and never loaded.
    """
    try:
        return _read_npy(path) if path.suffix.lower() == ".npy" else _read_csv(path, path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CommandError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not text in UTF-8; a table of numbers is .csv or .npy") from error


def _read_npy(path: Path) -> Any:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise CommandError(f"{path} is not a .npy file; np.save writes one")
        file.seek(0)
        try:
            data = np.load(file, allow_pickle=False)
        except Exception as error:  # on a damaged file, NumPy raises errors of many types
            if "Object arrays" in str(error):
                raise CommandError(f"{path} holds pickled Python objects, which could run code when loaded; save numbers only") from error
            raise CommandError(f"{path} is damaged: {error}") from error
    if data.dtype.kind not in "fbiu":
        raise CommandError(f"{path} holds {data.dtype}, not real numbers")
    return data


def _read_csv(path: Path, text: str) -> Any:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if lines and not any(map(_is_number, lines[0][1].split(","))):
        del lines[0]  # the header
    if not lines:
        raise CommandError(f"{path} holds no numbers")
    try:
        table = np.loadtxt([line for _, line in lines], delimiter=",", ndmin=2, comments=None)
    except ValueError as error:
        raise CommandError(_fault(path, lines) or f"{path}: {error}") from error
    return table[:, 0] if table.shape[1] == 1 else table


def _fault(path: Path, lines: list[tuple[int, str]]) -> str:
    """Where a table is at fault, in words; "" if every line has as many cells as the first and each cell is a number."""
    width = lines[0][1].count(",") + 1
    for number, line in lines:
        cells = line.split(",")
        if len(cells) != width:
            return f"{path}, line {number}: {len(cells)} columns, and {width} before; a table has as many in each"
        for column, cell in enumerate(cells, 1):
            if not _is_number(cell):
                return f"{path}, line {number}, column {column}: {cell.strip()!r} is not a number"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
