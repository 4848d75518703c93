"""Files that appear whole or not at all, also when the process is stopped half-way."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["replacing", "write_atomically"]

SUFFIX = ".chainrule-part"  # of the name of a temporary file


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A temporary file to write to.  It replaces `path` when it is complete and on the disk; after an error it is removed."""
    path = Path(os.path.realpath(path))  # a link stays a link
    _remove_leftovers(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=SUFFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed, also by a kill
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp lets only the owner read it
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if os.name == "posix":  # the new name is on the disk when its folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files for `path` of processes that were killed: they do not run, and nobody holds the lock."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{SUFFIX}") if fcntl else ():
        with suppress(OSError, ValueError), open(leftover, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                os.kill(int(leftover.name.split(".")[-3]), 0)  # sends nothing; fails if there is no such process
            except ProcessLookupError:
                os.unlink(leftover)


def write_atomically(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Write a file as a whole; half a surrogate pair becomes "?"."""
    with replacing(path) as file:
        file.write(data.encode(errors="replace") if isinstance(data, str) else data)
