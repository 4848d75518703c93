"""The file that the command writes, and the files that it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command.running import run


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "dot", "json"])
def test_a_file_is_replaced_only_if_the_command_wrote_it(folder: Path, suffix: str) -> None:
    magic = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"// made by", "json": b"{"}[suffix]
    path = folder / f"graph.{suffix}"
    path.write_bytes(b"precious")
    refused = run("x*x", "x=2", "-o", path.name)
    assert refused.status == 2
    assert refused.out == ""
    assert "--force" in refused.err
    assert path.read_bytes() == b"precious"
    assert run("x*x", "x=2", "-o", path.name, "--force").status == 0
    first = path.read_bytes()
    assert first.startswith(magic)
    assert run("x*x + 1", "x=2", "-o", path.name).status == 0
    assert path.read_bytes() != first
    if suffix == "json":
        assert json.loads(path.read_text())["nodes"]
    assert [p.name for p in folder.iterdir()] == [path.name]


def test_the_default_picture_is_protected_as_well(folder: Path) -> None:
    (folder / "chainrule.svg").write_text("<svg/>")
    assert run("x*x", "x=2").status == 2
    assert (folder / "chainrule.svg").read_text() == "<svg/>"
