"""The file that the command writes, and the files that it leaves alone."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

import engine
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


def test_each_format_bears_the_mark_and_is_whole(folder: Path) -> None:
    mark = f"made by chainrule {engine.__version__}"
    for suffix in ("svg", "png", "pdf", "dot", "json"):
        assert run("x*x", "x=3", "-o", f"a.{suffix}").status == 0
        assert (folder / f"a.{suffix}").read_bytes().count(mark.encode()) == 1
    ElementTree.parse(folder / "a.svg")
    assert (folder / "a.svg").read_text(encoding="utf-8").endswith(f"</svg>\n<!-- {mark} -->\n")
    assert (folder / "a.pdf").read_bytes().endswith(f"\n%%EOF\n% {mark}\n%%EOF\n".encode())
    first, drawing = (folder / "a.dot").read_text(encoding="utf-8").split("\n", 1)
    assert first == f"// {mark}"
    assert drawing.startswith("digraph")
    assert drawing.rstrip().endswith("}")
    data = json.loads((folder / "a.json").read_text(encoding="utf-8"))
    assert data.pop("comment") == mark
    assert data == json.loads(run("x*x", "x=3", "--json").out)


def test_every_chunk_of_a_png_is_sound(folder: Path) -> None:
    assert run("x*x", "x=3", "-o", "a.PNG").status == 0
    data, chunks = (folder / "a.PNG").read_bytes()[8:], []
    while data:
        (size,) = struct.unpack(">I", data[:4])
        kind, body, check = data[4:8], data[8 : 8 + size], data[8 + size : 12 + size]
        assert check == struct.pack(">I", zlib.crc32(kind + body))
        chunks.append((kind, body))
        data = data[12 + size :]
    assert chunks[-2:] == [(b"tEXt", f"Software\0made by chainrule {engine.__version__}".encode()), (b"IEND", b"")]


def test_a_name_is_refused_before_anything_is_computed(folder: Path) -> None:
    for name, says in (("a.gif", "ends in one of"), ("no/a.svg", "there is no folder")):
        refused = run("x + unheard(x)", "x=2", "-o", name)
        assert (refused.status, refused.out) == (2, "")
        assert says in refused.err
    assert list(folder.iterdir()) == []


def test_a_folder_is_never_replaced_and_may_hold_the_file(folder: Path) -> None:
    (folder / "a.svg").mkdir()
    assert "not a file" in run("x*x", "x=2", "-o", "a.svg", "--force").err
    (folder / "sub").mkdir()
    assert run("x*x", "x=2", "-o", "sub/a.json").status == 0
    assert json.loads((folder / "sub" / "a.json").read_text())["nodes"]
