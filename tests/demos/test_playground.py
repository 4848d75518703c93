"""The window of the playground, on a virtual screen, used as a user does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tkinter", exc_type=ImportError)
if shutil.which("Xvfb") is None:
    pytest.skip("the playground is tested on Xvfb, which is not installed here", allow_module_level=True)

import tkinter as tk
from tkinter import ttk

from demos.playground import Playground
from engine import grad


@pytest.fixture(scope="module")
def display():
    """A virtual screen for these tests."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            pytest.skip("Xvfb does not start here")
        yield f":{number}"
        server.terminate()


@pytest.fixture
def app(display):
    window = tk.Tk(screenName=display)
    faults = []
    window.report_callback_exception = lambda *error: faults.append(error)
    made = Playground(window)
    window.update()
    yield made
    if not closed(window):
        window.update()
        window.destroy()
    assert not faults


def closed(window) -> bool:
    try:
        return not window.winfo_exists()
    except tk.TclError:
        return True


def entries(app) -> dict[str, ttk.Entry]:
    """The entries of the variables, by the names above them."""
    boxes = (box.winfo_children() for box in app.variables.winfo_children())
    return {name["text"]: entry for name, entry, _ in boxes}


def write(entry: tk.Entry, text: str) -> None:
    """Empty an entry and type the text, key by key."""
    entry.focus_force()
    entry.update()
    entry.delete(0, "end")
    for character in text:
        entry.event_generate("<Key>", keysym=KEYSYMS.get(character, character))
    entry.update()


KEYSYMS = {
    "*": "asterisk", "+": "plus", "-": "minus", "(": "parenleft", ")": "parenright", ".": "period",
    ",": "comma", "[": "bracketleft", "]": "bracketright", " ": "space",
}  # fmt: skip


def expression_entry(app) -> ttk.Entry:
    return next(widget for widget in app.window.winfo_children() if isinstance(widget, ttk.Entry))


def gradients(app) -> dict[str, str]:
    return {name: shown.get().removeprefix("gradient ") for name, shown in app.gradients.items()}


def test_opens_with_the_well_known_neuron_computed(app):
    assert app.status.get() == "result 0.7071"
    assert gradients(app) == {"x1": "-1.5", "w1": "1.0", "x2": "0.5", "w2": "0.0", "b": "0.5"}
    assert app.canvas.find_all()
    assert 100 < app.image.width() <= app.canvas.winfo_width()
    assert 100 < app.image.height() <= app.canvas.winfo_height()


def test_a_new_expression_gets_entries_for_its_variables_and_enter_computes_it(app):
    write(expression_entry(app), "sin(a)*c + a")
    assert list(entries(app)) == ["a", "c"]
    write(entries(app)["a"], "0.5")
    write(entries(app)["c"], "-2")
    entries(app)["c"].event_generate("<Return>")
    assert app.root is not None
    assert app.root.item() == pytest.approx(np.sin(0.5) * -2 + 0.5)
    assert float(gradients(app)["a"]) == pytest.approx(grad(lambda a: np.sin(a) * -2 + a)(0.5), rel=1e-3)
    assert float(gradients(app)["c"]) == pytest.approx(np.sin(0.5), rel=1e-3)


def test_a_changed_number_changes_the_picture(app):
    before = app.image
    write(entries(app)["x1"], "1")
    app.buttons["Compute"].invoke()
    assert app.root.item() == pytest.approx(np.tanh(-3 + 6.8813735870195432))
    assert app.image is not before


def test_lists_are_arrays(app):
    write(expression_entry(app), "sum(x*x)")
    write(entries(app)["x"], "[1, 2, 3]")
    app.buttons["Compute"].invoke()
    assert app.status.get() == "result 14.0"
    np.testing.assert_array_equal(app.leaves["x"].grad, [2.0, 4.0, 6.0])


def test_step_goes_back_one_operation_at_a_time(app):
    whole = gradients(app)
    write(entries(app)["w2"], "1")  # a change drops the old result
    app.buttons["Step"].invoke()
    assert set(gradients(app).values()) == {"—"}
    assert "5 steps back" in app.status.get()
    told = []
    for _ in range(5):
        app.buttons["Step"].invoke()
        told.append((app.status.get(), gradients(app)["b"], gradients(app)["x1"]))
    assert told[0][0] == "result, made by tanh, passes back 0.5 to v8; 4 more"
    assert [b for _, b, _ in told] == ["—", "0.5", "0.5", "0.5", "0.5"]
    assert [x1 for _, _, x1 in told] == ["—", "—", "—", "—", "-1.5"]
    assert told[4][0].endswith("done")
    assert gradients(app) == whole


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("x *", "column 4"),
        ("rleu(x)", "did you mean 'relu'"),
        ("", "nothing to compute"),
    ],
)
def test_a_wrong_expression_is_explained_in_the_window(app, expression, complaint):
    write(expression_entry(app), expression)
    app.buttons["Compute"].invoke()
    app.buttons["Step"].invoke()
    assert complaint in app.status.get()
    assert app.root is None
    assert not any(gradients(app).values())
    write(expression_entry(app), "x1*2")  # the window still works
    app.buttons["Compute"].invoke()
    assert gradients(app) == {"x1": "2.0"}


def test_a_result_without_a_gradient_is_explained_in_the_window(app):
    write(expression_entry(app), "[x1, x2]*2")
    app.buttons["Compute"].invoke()
    assert "sum(" in app.status.get()
    write(expression_entry(app), "1 + 1")
    app.buttons["Compute"].invoke()
    assert "constant" in app.status.get()
    write(expression_entry(app), "x1*2")
    write(entries(app)["x1"], "two")
    app.buttons["Compute"].invoke()
    assert app.status.get().startswith("x1: ")


def test_the_picture_follows_the_window(app):
    wide = app.image.width()
    app.window.geometry("500x400")
    app.window.update()
    assert app.image.width() < wide
    assert app.image.width() <= app.canvas.winfo_width()


@pytest.mark.parametrize("way", ["button", "escape"])
def test_quit(app, way):
    if way == "button":
        app.buttons["Quit"].invoke()
    else:
        expression_entry(app).focus_force()
        app.window.update()
        app.window.event_generate("<Escape>")
    assert closed(app.window)


def demo(tmp_path, environment, *options):
    return subprocess.run(
        [sys.executable, "-m", "demos", "playground", "--quick", "--out", str(tmp_path), *options],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )


def test_the_command_opens_the_window_and_saves_the_picture(tmp_path, display):
    done = demo(tmp_path, os.environ | {"DISPLAY": display}, "--expression", "x1*w1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().splitlines()[-1] == "The result is -6.0; its gradients: x1 -3.0, w1 2.0."
    assert (tmp_path / "playground.png").read_bytes().startswith(b"\x89PNG")
    assert "x1" in (tmp_path / "playground.svg").read_text(encoding="utf-8")


def test_without_a_display_it_says_so_in_one_line(tmp_path):
    done = demo(tmp_path, {name: value for name, value in os.environ.items() if name != "DISPLAY"})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "display" in done.stderr
    assert not list(tmp_path.iterdir())
