"""Letters in a picture on a Linux without any font, as containers are."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import draw
from engine.show import layout
from tests import ROOT
from tests.show.pictures import chain

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have fonts")


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The library draws, and the settings for fonts name one folder, which is empty."""
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    (tmp_path / "fonts").mkdir()
    path = tmp_path / "fonts.conf"
    path.write_text(f"<fontconfig><dir>{tmp_path}/fonts</dir></fontconfig>")
    monkeypatch.setattr(layout, "FONT_SETTINGS", path)
    layout._borrowed_fonts.cache_clear()
    yield path
    layout._borrowed_fonts.cache_clear()


def without_fonts(monkeypatch: pytest.MonkeyPatch, settings: Path) -> bytes:
    """The picture with boxes for letters."""
    with monkeypatch.context() as patch:
        patch.setenv("FONTCONFIG_FILE", str(settings))
        return draw(chain(1)).pipe("png")


def test_matplotlibs_fonts_are_borrowed(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lettered = draw(chain(1)).pipe("png")
    layout._borrowed_fonts.cache_clear()
    assert lettered != without_fonts(monkeypatch, settings)
    settings.unlink()
    layout._borrowed_fonts.cache_clear()
    assert draw(chain(1)).pipe("png") == lettered, "also where there are no settings at all"


def test_a_machine_with_a_font_keeps_its_own(settings: Path) -> None:
    (settings.parent / "fonts" / "deep").mkdir()
    assert layout._borrowed_fonts(warn=True).keys() == {"FONTCONFIG_FILE"}
    layout._borrowed_fonts.cache_clear()
    (settings.parent / "fonts" / "deep" / "some.ttf").touch()
    assert layout._borrowed_fonts(warn=True) == {}


def test_settings_of_the_users_own_stand(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FONTCONFIG_FILE", str(settings))
    assert layout._borrowed_fonts(warn=True) == {}


def test_without_matplotlib_a_picture_of_boxes_is_announced_once(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = without_fonts(monkeypatch, settings)
    layout._borrowed_fonts.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw(chain(1)).pipe("svg").startswith(b"<?xml"), "the viewer of an SVG has fonts"
    with pytest.warns(UserWarning, match="no fonts.*draw an SVG, or install matplotlib") as told:
        draw(chain(1)).pipe("png")
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(chain(1)).pipe("png")
    assert len(boxes) > 100


def test_no_file_is_left_behind(settings: Path, tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from engine import Value, draw\n"
        "from engine.show import layout\n"
        f"layout.FONT_SETTINGS = Path({str(settings)!r})\n"
        "draw(Value(1.0) * 2).pipe('png')\n"
        "import os, tempfile\n"
        "print(len(os.listdir(tempfile.gettempdir())))\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    paths = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "TMPDIR": str(scratch)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert (done.stdout.strip(), done.stderr) == ("1", "")
    assert os.listdir(scratch) == []
