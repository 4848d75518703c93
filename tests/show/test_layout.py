"""The picture as a `graphviz.Digraph`, laid out by the `dot` program or by the library, and its files."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphviz
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import Value, draw
from tests.show.pictures import chain, neuron, read

# What `dot -Kengine -Tformat` does, from the library of the same Graphviz, for machines without the program.
DOT = f"""#!{sys.executable} -P
import os, sys, pygraphviz
errors = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the warnings of this machine's fonts
options = {{argument[1]: argument[2:] for argument in sys.argv[1:] if argument[0] == "-"}}
try:
    made = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode()).draw(format=options["T"], prog=options["K"])
except Exception as error:
    os.write(errors, str(error).encode())
    sys.exit(1)
sys.stdout.buffer.write(made)
"""


@pytest.fixture(scope="module", autouse=True, params=["library", "program"])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Every test runs without `dot` on the PATH, and with it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "library":
            patch.setenv("PATH", os.devnull)
        elif shutil.which("dot") is None:
            program = tmp_path_factory.mktemp("bin") / "dot"
            program.write_text(DOT)
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            patch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        yield request.param


def png_size(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert b"IEND" in data[-12:]
    return struct.unpack(">II", data[16:24])


# ── pipe ──────────────────────────────────────────────────────────────────────


def test_it_is_a_digraph_in_every_format() -> None:
    picture = draw(neuron(), format="png")
    assert isinstance(picture, graphviz.Digraph)
    width, height = png_size(picture.pipe())
    assert 900 < width < 3000
    assert 300 < height < 1500
    assert picture.pipe("pdf").startswith(b"%PDF-")
    assert picture.pipe("SVG").startswith(b"<?xml")
    assert picture.pipe(format="svg", encoding="utf-8").startswith("<?xml")
    assert picture.source.startswith("digraph")
    picture.format = "svg"
    assert b"<svg" in picture.pipe()
    with pytest.raises(ValueError, match="bogus"):
        picture.pipe("bogus")
    with pytest.raises(TypeError, match="colour"):
        picture.pipe(colour="red")


@pytest.mark.parametrize("format", ["png", "jpg", "jpeg", "gif"])
def test_a_raster_picture_is_sharp_unless_the_graph_says_otherwise(format: str) -> None:
    picture = draw(chain(1), legend=False)
    before = picture.source
    sharp = picture.pipe(format)
    assert picture.source == before, "the setting of one picture stays out of the graph"
    picture.graph_attr["dpi"] = "72"
    assert len(sharp) > len(picture.pipe(format))
    assert picture.graph_attr["dpi"] == "72"
    if format == "png":
        (wide, _), (narrow, _) = png_size(sharp), png_size(picture.pipe("png"))
        assert 1.95 < wide / narrow < 2.05


def test_another_engine_and_renderer_are_handed_on() -> None:
    picture = draw(neuron())
    picture.engine = "neato"
    assert picture.pipe("svg") != draw(neuron()).pipe("svg")
    assert picture.pipe("svg") == draw(neuron()).pipe("svg", engine="neato")
    assert picture.pipe("svg", renderer="svg") == picture.pipe("svg")
    with pytest.raises((ValueError, graphviz.CalledProcessError)) as refused:
        picture.pipe("svg", renderer="cairo", formatter="bogus")
    assert "bogus" in str(refused.value)
    with pytest.raises(ValueError, match="nowhere"):
        picture.pipe("svg", engine="nowhere")


def test_a_source_that_graphviz_cannot_read_is_told() -> None:
    picture = draw(chain(1))
    picture.body.append("this is not the DOT language ->")
    with pytest.raises((ValueError, graphviz.CalledProcessError), match=r"syntax error|status"):
        picture.pipe("svg", quiet=True)


def test_a_program_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!{shutil.which('sh', path=os.defpath)}\necho 'by the program'\necho 'a warning' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert draw(chain(1)).pipe("svg", encoding="ascii").strip() == "by the program"
    assert "a warning" in capsys.readouterr().err
    assert draw(chain(1)).pipe("svg", engine="neato", quiet=True).strip() == b"by the program"
    assert "a warning" not in capsys.readouterr().err


def test_a_notebook_shows_it_and_a_value_stays_text() -> None:
    picture = draw(neuron())
    assert "<svg" in picture._repr_mimebundle_()["image/svg+xml"]
    assert png_size(picture._repr_mimebundle_(include=["image/png"])["image/png"])
    assert not [name for name in dir(Value) if name.startswith("_repr_")]


def test_threads_may_draw_at_once() -> None:
    pictures = [draw(neuron()) for _ in range(6)]
    made: list[Any] = []
    threads = [threading.Thread(target=lambda p=p: made.append(p.pipe("svg"))) for p in pictures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len(set(made)) == 1


def test_a_process_of_its_own_draws_the_same_and_prints_nothing(tmp_path: Path) -> None:
    program = (
        "from engine import Value, draw\n"
        "x, w = Value(2.0, label='x'), Value(3.0, label='w')\n"
        "y = (x * w).tanh() + x\ny.backward()\n"
        "draw(y, names={'y': y}).render(outfile='y.png')\n"
    )
    sources = set()
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(engine.__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        png_size((folder / "y.png").read_bytes())
        sources.add((folder / "y.gv").read_text(encoding="utf-8"))
    assert len(sources) == 1


# ── files ─────────────────────────────────────────────────────────────────────


def test_render_writes_the_picture_and_its_source(tmp_path: Path) -> None:
    picture = draw(neuron())
    assert picture.render("net", directory=tmp_path) == str(tmp_path / "net.svg")
    assert sorted(os.listdir(tmp_path)) == ["net", "net.svg"]
    assert (tmp_path / "net").read_text(encoding="utf-8") == picture.source
    assert picture.render(tmp_path / "deep" / "net", format="png", cleanup=True).endswith("net.png")
    assert os.listdir(tmp_path / "deep") == ["net.png"]
    assert picture.render(outfile=tmp_path / "out.pdf", cleanup=True) == str(tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF-")
    assert not (tmp_path / "out.gv").exists()
    assert picture.render(outfile=tmp_path / "plain", format="svg", overwrite_source=True) == str(tmp_path / "plain")
    assert (tmp_path / "plain").read_bytes().startswith(b"<?xml")
    assert picture.render(tmp_path / "r", renderer="svg", formatter="core", cleanup=True) == str(tmp_path / "r.core.svg.svg")


def test_without_a_name_the_files_bear_the_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert draw(neuron()).render() == "graph.gv.svg"
    assert sorted(os.listdir()) == ["graph.gv", "graph.gv.svg"]


def test_an_outfile_may_go_with_a_source_elsewhere(tmp_path: Path) -> None:
    draw(neuron()).render(tmp_path / "s" / "net.gv", outfile=tmp_path / "p.svg")
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["net.gv", "p.svg"]


def test_save_writes_the_source(tmp_path: Path) -> None:
    picture, path = draw(neuron()), tmp_path / "new" / "source.gv"
    assert picture.save("source.gv", directory=path.parent) == str(path)
    assert path.read_text(encoding="utf-8") == picture.source
    path.write_text("mine")
    assert picture.save(skip_existing=True) == str(path)
    assert path.read_text() == "mine"
    picture.save()
    assert path.read_text(encoding="utf-8") == picture.source
    other = path.with_name("other.gv")
    picture.save(other.name, skip_existing=True)
    assert other.read_text(encoding="utf-8") == picture.source


def test_a_result_that_exists_is_kept_if_asked(tmp_path: Path) -> None:
    picture = draw(neuron())
    first = picture.render("net", directory=tmp_path, raise_if_result_exists=True)
    Path(first).write_text("mine")
    with pytest.raises(graphviz.FileExistsError, match=r"net\.svg"):
        picture.render("net", directory=tmp_path, raise_if_result_exists=True)
    assert Path(first).read_text() == "mine"
    picture.render("net", directory=tmp_path)
    assert Path(first).read_bytes().startswith(b"<?xml")


def test_the_source_is_replaced_only_if_asked(tmp_path: Path) -> None:
    picture = draw(neuron())
    with pytest.raises(ValueError, match="replace its own source"):
        picture.render(tmp_path / "g.svg", outfile=tmp_path / "g.svg")
    assert (tmp_path / "g.svg").read_text(encoding="utf-8") == picture.source
    picture.render(tmp_path / "g.svg", outfile=tmp_path / "g.svg", overwrite_source=True)
    assert (tmp_path / "g.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # graphviz does not wait for the viewer
@pytest.mark.skipif(sys.platform != "linux", reason="the viewer is xdg-open on Linux")
@pytest.mark.parametrize("how", [{"view": True}, {"quiet_view": True}, {}])
def test_view_opens_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, bool]) -> None:
    viewer = tmp_path / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text(
        f'#!{shutil.which("sh", path=os.defpath)}\necho "$1" > "{tmp_path}/seen.tmp"\nmv "{tmp_path}/seen.tmp" "{tmp_path}/seen"\n'
    )
    viewer.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(viewer.parent), os.defpath, os.environ["PATH"]]))
    shown = draw(neuron()).render("net", directory=tmp_path, **how)
    for _ in range(200 if how else 1):
        if (tmp_path / "seen").exists():
            break
        threading.Event().wait(0.02)
    assert (tmp_path / "seen").exists() == bool(how)
    if how:
        assert (tmp_path / "seen").read_text().strip() == shown


def test_a_failure_leaves_no_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "old.svg").write_text("old")
    picture = draw(neuron())
    picture.body.append("this is not the DOT language ->")
    with pytest.raises((ValueError, graphviz.CalledProcessError)):
        picture.render(outfile=tmp_path / "old.svg")
    assert os.listdir(tmp_path) == ["old.svg"]
    assert (tmp_path / "old.svg").read_text() == "old"


@settings(max_examples=5)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1))
def test_both_ways_draw_the_same_labels(label: str) -> None:
    assert read(draw({label: chain(1)})).boxes["v1"].lines[0].split() == label.split()


def test_what_only_the_programs_can_do_is_refused_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="neato_no_op needs Graphviz's own programs"):
        draw(Value(2.0) * 3.0).pipe("svg", engine="neato", neato_no_op=2)
