"""From DOT source to a picture: a `graphviz.Digraph` that works without the `dot` program.

Where `dot` is on the PATH, `graphviz` runs it as usual.  Where it is not, a Python process of its own runs
the Graphviz library that the pygraphviz wheel carries.  So nothing but pip is needed.
"""

from __future__ import annotations

import atexit
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import graphviz  # type: ignore[import-untyped]

from ..files import write_atomically

__all__ = ["Picture"]

File: TypeAlias = str | os.PathLike[str] | None

PATIENCE = 3.0  # seconds of layout after which a line on stderr says so


class Picture(graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that needs no `dot` on the PATH, and whose files appear whole or not at all."""

    def pipe(self, format: str | None = None, *, engine: str | None = None, encoding: str | None = None, **options: Any) -> Any:
        """The picture as bytes, or as text with an encoding.

        Args:
            format, engine, encoding: as for `graphviz.Digraph.pipe`; PNG, JPEG and GIF have 144 dots per inch
                unless the graph sets its own "dpi".
            options: the further arguments of `graphviz.Digraph.pipe`: renderer, formatter, neato_no_op, quiet.

        Raises:
            ValueError: Graphviz does not know the format or the engine, or cannot read the source.
            graphviz.CalledProcessError: the `dot` program fails.
        """
        format, engine = (format or self.format).lower(), engine or self.engine
        sharper = format in ("png", "jpg", "jpeg", "gif") and "dpi" not in self.graph_attr
        if sharper:
            self.graph_attr["dpi"] = "144"
        slow = threading.Timer(PATIENCE, _say_that_it_is_slow)
        slow.daemon = True
        slow.start()
        try:
            if shutil.which("dot"):  # graphviz runs it for every engine
                return super().pipe(format, engine=engine, encoding=encoding, **options)
            made = _lay_out(self.source, engine, format, **options)
            return made if encoding is None else made.decode(encoding)
        finally:
            slow.cancel()
            if sharper:
                del self.graph_attr["dpi"]

    def save(self, filename: File = None, directory: File = None, *, skip_existing: bool | None = False) -> str:
        """Write the DOT source to directory/filename, and return that path; with skip_existing, an existing file is kept."""
        if filename is not None:
            self.filename = os.fspath(filename)
        if directory is not None:
            self.directory = os.fspath(directory)
        if not (skip_existing and os.path.exists(self.filepath)):
            os.makedirs(os.path.dirname(self.filepath) or ".", exist_ok=True)
            write_atomically(self.filepath, self.source)
        return self.filepath

    def render(
        self,
        filename: File = None,
        directory: File = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        *,
        outfile: File = None,
        quiet_view: bool = False,
        raise_if_result_exists: bool = False,
        overwrite_source: bool = False,
        **options: Any,
    ) -> str:
        """Write the DOT source and the picture, and return the picture's path.

        The arguments are those of `graphviz.Digraph.render`; `options` are those of `pipe`.

        Raises:
            graphviz.FileExistsError: the picture's file exists, and `raise_if_result_exists` is set.
            ValueError: the picture would replace its own source, or `pipe` refuses.
        """
        if outfile is not None:
            outfile = Path(outfile)
            format = format or outfile.suffix.lstrip(".") or None
            filename = filename or outfile.with_suffix(f".{self._default_extension}")
        suffix = ".".join(filter(None, (options.get("formatter"), options.get("renderer"), format or self.format)))
        made = self.pipe(format, **options)  # before anything is written, so that a failure leaves no file
        source = self.save(filename, directory)
        target = os.fspath(outfile) if outfile is not None else f"{source}.{suffix}"
        if raise_if_result_exists and os.path.exists(target):
            raise graphviz.FileExistsError(f"output file exists: {target!r}")
        if os.path.abspath(target) == os.path.abspath(source) and not overwrite_source:
            raise ValueError(f"the picture would replace its own source {source!r}; give another outfile")
        write_atomically(target, made)
        if cleanup:
            os.remove(source)
        if view or quiet_view:
            self._view(target, format=format or self.format, quiet=quiet_view)
        return target


def _say_that_it_is_slow() -> None:
    print("Graphviz is still laying out the picture; depth=3 or collapse=[labels] would make it smaller", file=sys.stderr, flush=True)


# ── Graphviz as a library ─────────────────────────────────────────────────────

FONT_SETTINGS = Path("/etc/fonts/fonts.conf")  # names the folders in which Graphviz looks for fonts

_CHILD = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog=sys.argv[2]))
"""


def _lay_out(
    source: str,
    engine: str,
    format: str,
    *,
    renderer: str | None = None,
    formatter: str | None = None,
    neato_no_op: bool | int | None = None,
    quiet: bool = False,
) -> bytes:
    """What the program `engine -Tformat` would print, from the library in pygraphviz; it is always quiet.

    It runs in a process of its own, as the program would, because Graphviz ends its process on some graphs.

    Raises:
        ValueError: Graphviz refuses; or neato_no_op, which the library does not know.
    """
    if neato_no_op:
        raise ValueError("neato_no_op needs Graphviz's own programs: install Graphviz, so that `neato` is found")
    kind = ":".join(filter(None, (format, renderer, formatter)))
    command = [sys.executable, "-P", "-c", _CHILD, kind, engine]
    fonts = _borrowed_fonts(warn=not format.startswith("svg"))
    done = subprocess.run(command, input=source.encode(errors="replace"), capture_output=True, env=os.environ | fonts)
    if done.returncode:
        messages = [line for line in done.stderr.decode(errors="replace").splitlines() if not line.startswith("Fontconfig")]
        last = messages[-1] if messages else f"exit status {done.returncode}"
        reason = next((line for line in messages if line.startswith("Error")), last)
        raise ValueError(f"Graphviz could not make {kind!r} with {engine!r}: {reason}")
    return done.stdout


@cache
def _borrowed_fonts(warn: bool) -> dict[str, str]:
    """The environment variable that gives Graphviz matplotlib's fonts, on a Linux that has no font, as containers have none.

    Without a font an SVG is still good, since its viewer has one, but a PNG or PDF has boxes for letters.
    """
    if not sys.platform.startswith("linux") or "FONTCONFIG_FILE" in os.environ:
        return {}
    folders = re.findall(r"<dir>(.*?)</dir>", FONT_SETTINGS.read_text()) if FONT_SETTINGS.exists() else []
    files = (name for folder in folders for _, _, names in os.walk(os.path.expanduser(folder)) for name in names)
    if not all(name.startswith(".") for name in files):  # fontconfig itself leaves a file .uuid in an empty folder
        return {}
    if (found := find_spec("matplotlib")) is None or found.origin is None:
        if warn:
            message = "this system has no fonts, so the picture shows boxes for letters: draw an SVG, or install matplotlib"
            warnings.warn(message, stacklevel=4)
        return {}
    fonts = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    chosen = '<edit name="family" mode="assign" binding="strong"><string>DejaVu Sans</string></edit>'
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write(f'<fontconfig><dir>{html.escape(str(fonts))}</dir><match target="pattern">{chosen}</match></fontconfig>')
    atexit.register(os.unlink, file.name)
    return {"FONTCONFIG_FILE": file.name}
