"""What is told when Graphviz, as a library, cannot make a picture."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from engine import draw
from tests.show.pictures import chain

FONTS = "Fontconfig error: Cannot load default config file"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (["Warning: an arrow is lost", FONTS, "Error: no memory", "in line 3", FONTS], "Error: no memory"),
        (["Traceback:", "  File ...", "ValueError: unknown", FONTS], "ValueError: unknown"),
        ([FONTS], "exit status 3"),
        ([], "exit status 3"),
    ],
)
def test_the_line_that_tells_the_reason_is_picked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: list[str], told: str) -> None:
    """Graphviz prints warnings and the state of the fonts around it, or ends without a word."""
    python = tmp_path / "python"
    lines = "".join(f"echo '{line}' >&2\n" for line in printed)
    python.write_text(f"#!{shutil.which('sh', path=os.defpath)}\nwhile read -r line; do :; done\n{lines}exit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(ValueError, match="Graphviz") as refused:
        draw(chain(1)).pipe("svg", renderer="cairo", engine="neato")
    assert str(refused.value) == f"Graphviz could not make 'svg:cairo' with 'neato': {told}"


def test_half_a_surrogate_pair_in_the_source_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    picture = draw(chain(1))
    picture.node("extra", label="\ud800")
    assert b"extra" in picture.pipe("svg")
