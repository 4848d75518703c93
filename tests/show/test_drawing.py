"""The pictures, read back from their SVG."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import graphviz
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import Parameter, Value, draw, draw_dot, make_dot
from engine.show.drawing import save
from engine.show.formats import number
from engine.show.graph import Graph

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", autouse=True, params=["library", "program"])
def layout(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test runs without `dot` on the PATH, and with it where there is one."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "library":
            patch.setenv("PATH", os.devnull)
        elif shutil.which("dot") is None:
            pytest.skip("there is no dot program on this machine's PATH")
        yield request.param


class Box(NamedTuple):
    """A node of the SVG."""

    kind: str  # value, reference, operation, fold, more
    role: str
    lines: list[str]
    x: float
    y: float
    fills: list[str]  # of its background and cells, in the order of painting


class Read(NamedTuple):
    """What the SVG shows."""

    boxes: dict[str, Box]
    arrows: list[tuple[str, str, str]]  # (from, to, label)
    frames: list[str]
    legend: str
    size: tuple[float, float]

    def kinds(self) -> Counter[str]:
        return Counter(box.kind for box in self.boxes.values())

    def box(self, first_line: str) -> Box:
        (found,) = [b for b in self.boxes.values() if b.lines[0] == first_line and b.kind == "value"]
        return found


def texts(group: ET.Element) -> list[str]:
    """The texts of a group; neighbours of one size on one height are one."""
    found: list[tuple[tuple[str, ...], str]] = []
    for text in group.iter(f"{SVG}text"):
        place = (text.attrib["y"], text.attrib["font-size"])
        words = "".join(text.itertext()).replace("\xa0", " ")
        if found and found[-1][0] == place:
            words = found.pop()[1] + words
        found.append((place, words))
    return [words for _, words in found]


def read(picture: graphviz.Digraph) -> Read:
    root = ET.fromstring(picture.pipe("svg"))
    boxes, arrows, frames = {}, [], []
    for group in root.iter(f"{SVG}g"):
        classes = group.get("class", "").split()
        title = group.findtext(f"{SVG}title", "")
        if classes[:1] == ["node"]:
            shapes = [s for s in group.iter() if s.tag in (f"{SVG}path", f"{SVG}polygon") and s.get("fill") != "none"]
            outline = re.findall(r"(-?[\d.]+),(-?[\d.]+)", (shapes[0].get("d") or shapes[0].get("points") or ""))
            middle = np.mean([[float(x), float(y)] for x, y in outline], axis=0)
            boxes[title] = Box(classes[1], "".join(classes[2:]), texts(group), *map(float, middle), [s.get("fill", "") for s in shapes])
        elif classes == ["edge"] and group.find(f".//{SVG}polygon[@fill='#8a8f98']") is not None:
            source, target = title.split("->")
            arrows.append((source, target, "".join(texts(group))))
        elif classes == ["cluster"]:
            frames.append("".join(texts(group)))
        elif classes == ["graph"]:
            legend = " ".join("".join(text.itertext()) for text in group.findall(f"{SVG}text"))
    width, height = (float(root.attrib[side].removesuffix("pt")) for side in ("width", "height"))
    return Read(boxes, arrows, frames, legend, (width, height))


def neuron() -> Value:
    """The neuron of the README."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Parameter(-3.0, label="w1"), Parameter(1.0, label="w2")
    b = Parameter(6.8813735870195432, label="b")
    o = (x1 * w1 + x2 * w2 + b).tanh()
    o.label = "o"
    return o


@st.composite
def graphs(draw_one: st.DrawFn) -> list[Value]:
    """Small random graphs with shared values, repeated operands and numbers in the formula; all of their values."""
    values = [Value(draw_one(st.floats(-2, 2)), label=name) for name in "abc"]
    for _ in range(draw_one(st.integers(0, 8))):
        x, y = (draw_one(st.sampled_from(values)) for _ in "xy")
        operation = draw_one(st.sampled_from([np.add, np.multiply, np.maximum, np.tanh, np.square]))
        values.append(operation(x) if operation.nin == 1 else operation(x, draw_one(st.sampled_from([y, 1.5]))))
    return values


# ── what a picture holds ──────────────────────────────────────────────────────


def test_the_neuron_shows_the_known_numbers() -> None:
    o = neuron()
    o.backward()
    shown = read(draw(o))
    expected = {"x1": ("2.0", "-1.5"), "x2": ("0.0", "0.5"), "w1": ("-3.0", "1.0"), "w2": ("1.0", "0.0"), "o": ("0.7071", "1.0")}
    for name, (value, grad) in expected.items():
        assert shown.box(name).lines[1:] == ["value", value, "grad", grad]
    assert {shown.box(name).role for name in ("x1", "x2")} == {"input"}
    assert {shown.box(name).role for name in ("w1", "w2", "b")} == {"parameter"}
    assert shown.box("o").role == "output"
    assert Counter(b.lines[0] for b in shown.boxes.values() if b.kind == "operation") == {"*": 2, "+": 2, "tanh": 1}
    assert all(word in shown.legend for word in ("input", "parameter", "computed", "output", "gradient", "∂result"))


def test_before_a_pass_there_are_no_gradients() -> None:
    shown = read(draw(neuron()))
    assert all(box.lines[-2:] == ["grad", "—"] for box in shown.boxes.values() if box.kind == "value")
    assert "no backward pass yet" in shown.legend


@settings(max_examples=15)
@given(graphs(), st.booleans())
def test_nodes_and_arrows_are_the_graphs(values: list[Value], backward: bool) -> None:
    root = values[-1]
    if backward:
        root.backward()
    graph = Graph(root)
    shown = read(draw(root))
    assert shown.kinds()["value"] == len(graph.nodes)
    assert shown.kinds()["operation"] == sum(bool(node.op) for node in graph.nodes)
    uses = [
        (f"v{edge.source}", f"op{node.index}", "" if edge.local is None else number(edge.local))
        for node in graph.nodes
        for edge in node.edges
    ]
    assert Counter(shown.arrows) == Counter(uses)


def test_operands_stand_in_their_order() -> None:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    for first, second in ((a, b), (b, a)):
        shown = read(draw(first - second))
        assert shown.box(first.label).y < shown.box(second.label).y


def test_a_value_used_twice_has_two_arrows() -> None:
    a = Value(3.0, label="a")
    assert Counter(read(draw(a + a)).arrows) == {("v0", "op1", "1.0"): 2}


@settings(max_examples=8)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Z"]), min_size=1, max_size=12), min_size=8, max_size=20))
def test_labels_come_out_as_written(labels: list[str]) -> None:
    shown = read(draw([Value(1.0, label=label) for label in labels]))
    assert [shown.boxes[f"v{i}"].lines[0] for i in range(len(labels))] == labels


def test_awkward_labels_come_out_as_written() -> None:
    labels = ["<b>&amp;{x|y}\"'", r"\N\G\l\n\\", "&#60;", "learning rate", "a  b", " lead", "∂loss/∂w₁ 漢", "--", "<TABLE>", "%d", "tail "]
    shown = read(draw({label: Value(1.0) for label in labels}))
    assert [shown.boxes[f"v{i}"].lines[0] for i in range(len(labels))] == labels


def test_labels_that_xml_cannot_hold_still_draw() -> None:
    labels = ["a\nb", "tab\there", "\x00\x1b[0m", "\ud800", ""]
    shown = read(draw([Value(1.0, label=label) for label in labels]))
    assert [shown.boxes[f"v{i}"].lines[0] for i in range(len(labels))] == ["a", "tab    here", "��[0m", "�", "v4"]
    assert shown.boxes["v0"].lines[1] == "b"


def test_names_serve_values_without_a_label() -> None:
    x, w = Value(2.0), [Value(1.0), Value(3.0)]
    out = x * w[0] + w[1]
    shown = read(draw(out, names=locals()))
    assert {"x", "w[0]", "w[1]", "out"} <= {box.lines[0] for box in shown.boxes.values()}


def test_several_outputs() -> None:
    x = Value([1.0, 2.0, 6.0], label="x")
    mean, spread = x.mean(), x.std()
    for outputs in ([mean, spread], (mean, spread), {"mean": mean, "spread": spread}):
        shown = read(draw(outputs))
        assert [box.role for box in shown.boxes.values()].count("output") == 2
    assert shown.box("mean").lines[2] == "3.0"


def test_tensors_show_shape_and_summary() -> None:
    x = Value(np.linspace(-1, 1, 200).reshape(20, 10), label="x")
    w = Value(np.ones((10, 1), np.float32), label="w")
    m = Value([[1.0, 2.0], [3.0, 4.0]], label="m")
    loss = (x @ w).sum() + m.sum()
    loss.backward()
    shown = read(draw(loss))
    assert shown.box("x").lines[1].strip() == "(20, 10)"
    whole = {" ".join(box.lines) for box in shown.boxes.values()}
    assert any("-1.0 … 1.0" in text and "mean 0.0" in text for text in whole)
    assert any("(10, 1) float32" in text and "all 1.0" in text for text in whole)
    assert any("[1.0, 2.0]" in text and "[3.0, 4.0]" in text for text in whole)


def test_parameters_of_an_operation_are_shown() -> None:
    shown = read(draw(Value(np.ones((2, 3)), label="x").sum(axis=1, keepdims=True)))
    (operation,) = [box for box in shown.boxes.values() if box.kind == "operation"]
    assert operation.lines[0].strip() == "sum"
    assert {"axis=1", "keepdims=True"} <= {line.strip() for line in operation.lines}


def test_the_backward_pass_is_a_graph_too() -> None:
    x = Value(2.0, label="x")
    (x**3 + x.sin()).backward(create_graph=True)
    shown = read(draw(x.grad))
    assert shown.box("∂/∂x").role == "output"
    assert shown.box("∂/∂x").lines[2] == f"{12 + np.cos(2.0):.4g}"
    assert "cos" in {box.lines[0].strip() for box in shown.boxes.values()}


def test_larger_gradients_are_shaded_darker_and_broken_ones_marked() -> None:
    def lightness(color: str) -> int:
        return sum(int(color[i : i + 2], 16) for i in (1, 3, 5))

    a, b, c = Value(1.0, label="a"), Value(1.0, label="b"), Value(1.0, label="c")
    (100 * a + 10 * b + 0 * c).backward()
    shown = read(draw(100 * a + 10 * b + 0 * c))
    shades = [lightness(shown.box(name).fills[-1]) for name in "abc"]
    assert shades[0] < shades[1] < shades[2] == lightness("#ffffff")
    broken = Value(-1.0, label="x").log()
    assert "nan" in read(draw({"nan": broken})).box("nan").lines
    assert len(set(read(draw({"nan": broken})).box("nan").fills)) > 1


def test_every_text_reads_on_its_background_and_every_line_on_light_and_dark() -> None:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    def contrast(one: str, other: str) -> float:
        low, high = sorted(map(luminance, (one, other)))
        return (high + 0.05) / (low + 0.05)

    outputs = {"o": neuron(), "t": (Value(np.linspace(0, 1, 100), label="t") * 3).mean()}
    for output in outputs.values():
        output.backward()
    root = ET.fromstring(draw(outputs).pipe("svg"))
    assert root.find(f".//{SVG}g[@class='graph']/{SVG}polygon[@fill='white']") is None, "the page itself is transparent"
    for group in root.iter(f"{SVG}g"):
        if group.get("class", "").split()[:1] == ["node"]:
            painted: list[str] = []
            for part in group.iter():
                if part.tag in (f"{SVG}path", f"{SVG}polygon") and part.get("fill") != "none":
                    painted.append(part.attrib["fill"])
                elif part.tag == f"{SVG}text":
                    assert contrast(part.attrib.get("fill", "#000000"), painted[-1]) >= 4.5, ("".join(part.itertext()), painted[-1])
        elif group.get("class") == "edge":
            (line,) = {part.attrib["stroke"] for part in group.iter(f"{SVG}path")}
            assert contrast(line, "#ffffff") >= 3 <= contrast(line, "#1e1e1e")


# ── long and large graphs ─────────────────────────────────────────────────────


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
@pytest.mark.parametrize("operations", [20, 40, 120])
def test_a_long_chain_is_wrapped_in_reading_order(operations: int, rankdir: str) -> None:
    v = Value(0.5, label="x")
    for _ in range(operations):
        v = v.sin()
    shown = read(draw(v, rankdir=rankdir))
    width, height = shown.size
    assert 1 / 4 < width / height < 4
    chain = [shown.boxes[f"v{i}"] for i in range(operations + 1)]
    along = [box.x if rankdir == "LR" else box.y for box in chain]
    across = [box.y if rankdir == "LR" else box.x for box in chain]
    breaks = [i for i in range(1, len(chain)) if along[i] < along[i - 1]]
    starts = [np.mean(part) for part in np.split(across, breaks)]
    assert len(breaks) >= 1
    assert starts == sorted(starts)
    assert shown.kinds() == {"value": operations + 1, "operation": operations, "reference": len(breaks)}
    assert len(shown.arrows) == operations


def test_short_and_wide_graphs_are_not_wrapped() -> None:
    x = [Value(float(i), label=f"x{i}") for i in range(12)]
    total = x[0]
    for v in x[1:]:
        total = total + v.tanh()
    shown = read(draw(total))
    assert shown.kinds()["value"] == 12 + 11 + 11
    assert read(draw(neuron())).kinds()["reference"] == 0


def test_depth_shows_the_end_of_the_graph() -> None:
    o = neuron()
    shown = read(draw(o, depth=2))
    assert shown.kinds() == {"value": 4, "operation": 2, "more": 1}
    assert "⋯ 6 more values" in shown.legend
    assert read(draw(o, depth=0)).kinds() == {"value": 1, "more": 1}
    assert read(draw(o, depth=99)).kinds() == read(draw(o)).kinds()


def test_collapse_folds_a_labelled_result() -> None:
    x = Value(2.0, label="x")
    h = (x * 3 + 1).tanh() * x
    h.label = "h"
    shown = read(draw(h * h, collapse="h"))
    assert shown.kinds() == {"value": 3, "fold": 1, "operation": 1}
    (fold,) = [box for box in shown.boxes.values() if box.kind == "fold"]
    assert [line.strip() for line in fold.lines] == ["h", "4 operations"]
    assert Counter(target for _, target, _ in shown.arrows) == {"fold0": 1, "op7": 2}
    assert len(shown.boxes) == 5


def test_groups_are_framed_and_fold() -> None:
    x = Value([[1.0, 2.0]], label="x")
    w1, w2 = Parameter(np.ones((2, 3)), label="w1"), Parameter(np.ones((3, 1)), label="w2")
    a = x @ w1
    h = a.tanh()
    y = h @ w2
    groups = {"net": [], "net.first": [w1, a, h], "net.second": [w2, y]}
    shown = read(draw(y, groups=groups))
    assert sorted(shown.frames) == ["first", "net", "second"]
    folded = read(draw(y, groups=groups, collapse=["net.first"]))
    (fold,) = [box for box in folded.boxes.values() if box.kind == "fold"]
    assert [line.strip() for line in fold.lines] == ["first", "6 parameters", "2 operations"]
    assert folded.kinds() == {"value": 4, "fold": 1, "operation": 1}, "x, h (used outside), w2 and y stay"
    whole = read(draw(y, groups=groups, collapse=True))
    assert whole.kinds() == {"value": 2, "fold": 1}


@settings(max_examples=15)
@given(graphs(), st.data())
def test_any_grouping_draws(values: list[Value], data: st.DataObject) -> None:
    names = ["m", "m.a", "m.b", "n"]
    groups = {name: [v for v in values if data.draw(st.booleans())] for name in names}
    shown = read(draw(values, groups=groups, collapse=data.draw(st.sampled_from([(), True]))))
    tops = {f"v{i}" for i in Graph(values).outputs}
    assert tops <= set(shown.boxes), "an output is never folded away"


def test_a_wrong_name_to_collapse_is_told() -> None:
    h = Value(1.0, label="x").tanh()
    h.label = "hidden"
    with pytest.raises(ValueError, match=r"collapse='hiden' .* this graph has hidden"):
        draw(h * 2, collapse="hiden")


def test_too_large_a_graph_is_refused_with_advice() -> None:
    v = Value(0.5, label="x")
    for _ in range(500):
        v = v.sin()
    with pytest.raises(ValueError, match=r"501 values.*max_nodes=400.*depth=.*collapse="):
        draw(v)
    assert read(draw(v, depth=3)).kinds()["value"] == 4
    assert read(draw(v, max_nodes=600)).kinds()["value"] == 501


def test_it_takes_values_only() -> None:
    with pytest.raises(TypeError, match="not float"):
        draw(1.0)
    with pytest.raises(ValueError, match="rankdir"):
        draw(neuron(), rankdir="sideways")


# ── the Digraph ───────────────────────────────────────────────────────────────


def png_size(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert b"IEND" in data[-12:]
    return struct.unpack(">II", data[16:24])


def test_it_is_a_digraph_in_every_format() -> None:
    picture = draw(neuron(), format="png")
    assert isinstance(picture, graphviz.Digraph)
    width, height = png_size(picture.pipe())
    assert 900 < width < 3000
    assert 300 < height < 1500
    assert picture.pipe("pdf").startswith(b"%PDF-")
    assert picture.pipe(format="svg", encoding="utf-8").startswith("<?xml")
    assert picture.source.startswith("digraph")
    picture.format = "svg"
    assert b"<svg" in picture.pipe()
    with pytest.raises(ValueError, match="bogus"):
        picture.pipe("bogus")


def test_a_notebook_shows_it_and_a_value_stays_text() -> None:
    picture = draw(neuron())
    assert "<svg" in picture._repr_mimebundle_()["image/svg+xml"]
    assert png_size(picture._repr_mimebundle_(include=["image/png"])["image/png"])
    assert not [name for name in dir(Value) if name.startswith("_repr_")]


def test_render_writes_the_picture_and_its_source(tmp_path: Path) -> None:
    picture = draw(neuron())
    assert picture.render("net", directory=tmp_path) == str(tmp_path / "net.svg")
    assert sorted(os.listdir(tmp_path)) == ["net", "net.svg"]
    assert picture.render(tmp_path / "deep" / "net", format="png", cleanup=True).endswith("net.png")
    assert os.listdir(tmp_path / "deep") == ["net.png"]
    assert picture.render(outfile=tmp_path / "out.pdf", cleanup=True) == str(tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF-")
    picture.save("source.gv", directory=tmp_path)
    assert (tmp_path / "source.gv").read_text(encoding="utf-8") == picture.source


@pytest.mark.parametrize("name", ["g.svg", "g.png", "g.pdf", "g.dot", "g.gv", "g.json", "g.mmd", "g.txt", "UPPER.SVG"])
def test_save_goes_by_the_extension(tmp_path: Path, name: str) -> None:
    starts = {
        "svg": b"<?xml",
        "png": b"\x89PNG",
        "pdf": b"%PDF",
        "dot": b"digraph",
        "gv": b"digraph",
        "json": b"{",
        "mmd": b"flowchart",
        "txt": b"x1 ",
    }
    path = save(neuron(), tmp_path / name)
    assert path.read_bytes().startswith(starts[path.suffix.lower()[1:]])
    assert os.listdir(tmp_path) == [name]


def test_a_failure_leaves_no_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg, \.png"):
        save(neuron(), tmp_path / "picture.exe")
    (tmp_path / "old.svg").write_text("old")
    picture = draw(neuron())
    picture.body.append("this is not the DOT language ->")
    with pytest.raises((ValueError, graphviz.CalledProcessError)):
        picture.render(outfile=tmp_path / "old.svg")
    assert os.listdir(tmp_path) == ["old.svg"]
    assert (tmp_path / "old.svg").read_text() == "old"


def test_other_libraries_names_for_it() -> None:
    o = neuron()
    assert draw_dot(o, format="png", rankdir="TB").format == "png"
    assert "rankdir=TB" in draw_dot(o, rankdir="TB").source
    assert draw_dot(o).source == draw(o).source
    w = Value(2.0)
    assert read(make_dot(w * 3, params={"weight": w})).box("weight").lines[2] == "2.0"
    assert read(make_dot(w * 3)).kinds()["value"] == 3


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
        done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        png_size((folder / "y.png").read_bytes())
        sources.add((folder / "y.gv").read_text(encoding="utf-8"))
    assert len(sources) == 1
