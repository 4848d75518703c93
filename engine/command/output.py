"""The file that the command writes: a picture or data.

Every such file contains SIGNATURE.  The command replaces a file only if it contains it, or with --force.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from .. import __version__
from ..value import Value
from .errors import CommandError

__all__ = ["SUFFIXES", "choose_path", "write"]

SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".json")
SIGNATURE = "made by chainrule"
MARK = f"{SIGNATURE} {__version__}"


def choose_path(name: str, force: bool) -> Path:
    """The path of the file to write.

    Raises:
        CommandError: the name has no known ending, its folder does not exist, or a file of that name is not the
            command's own and `force` is false.
    """
    path = Path(name)
    if path.suffix.lower() not in SUFFIXES:
        raise CommandError(f"-o {path}: the name ends in one of {', '.join(SUFFIXES)}")
    try:
        if not path.parent.is_dir():
            raise CommandError(f"-o {path}: there is no folder {str(path.parent)!r}")
        if path.exists() and not path.is_file():
            raise CommandError(f"-o {path}: not a file")
        if path.exists() and not force and SIGNATURE.encode() not in path.read_bytes():
            raise CommandError(f"{path} exists, and chainrule did not write it; choose another name with -o, or replace it with --force")
    except OSError as error:
        raise CommandError(f"-o {path}: {error.strerror}") from error
    return path


def write(result: Value, path: Path) -> None:
    """Write the graph of `result`, in the format that the path's ending names."""
    from ..files import write_atomically
    from ..show.drawing import contents

    write_atomically(path, _sign(contents(result, path.name), path.suffix.lower()))


def _sign(data: bytes, suffix: str) -> bytes:
    """The data with MARK in it, as a comment of the format."""
    mark = MARK.encode()
    match suffix:
        case ".svg":
            return data.rstrip() + b"\n<!-- " + mark + b" -->\n"
        case ".png":  # a text chunk before the last one, IEND, which has 12 bytes
            chunk = b"tEXtSoftware\0" + mark
            return data[:-12] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[-12:]
        case ".pdf":
            return data.rstrip() + b"\n% " + mark + b"\n%%EOF\n"
        case ".dot":
            return b"// " + mark + b"\n" + data
        case _:  # .json has no comments: a first member of its object
            return b'{"comment": "' + mark + b'",' + data[data.index(b"{") + 1 :]
