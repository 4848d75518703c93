"""Shared by all demos: options, tables, figures and data.

A demo is a file whose docstring has a question as its first line, and which defines

    def run(demo):             # demo.seed, demo.quick, ... are the options
        figure, axes = demo.figure(1, 2)
        ...
        demo.save(figure)
        return "the answer, with the measured numbers"

A demo with further options also defines `add_arguments(parser)`, for a parser of argparse.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of medium brightness, readable on a white page and on a dark one; the background of the figures is transparent.
INK = "#7a828e"
BLUE, ORANGE, GREEN, RED, PURPLE, TEAL, PINK = "#2f7de1", "#d9730d", "#16a06a", "#e5484d", "#8e63d6", "#0b9bb0", "#d6409f"
QUIET, RIGHT, WRONG = INK, GREEN, RED
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, RED, TEAL, PINK)
COLOURS = {"relu": ORANGE, "sigmoid": BLUE, "tanh": GREEN, "leaky_relu": RED, "elu": PINK, "gelu": PURPLE, "silu": TEAL}

STYLE = {
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": "medium",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "font.size": 10,
    "savefig.dpi": 150,
    "svg.hashsalt": "chainrule",  # the same picture gives the same file
}


def colour(name: str) -> str:
    """The colour of a function; it is the same in every demo."""
    return COLOURS.get(name) or CYCLE[zlib.crc32(name.encode()) % len(CYCLE)]


class Demo(argparse.Namespace):
    """The options of one run as attributes, and methods that print tables and save figures."""

    name: str
    seed: int
    quick: bool
    out: Path

    def pick(self, full: Any, quick: Any) -> Any:
        """`quick` with --quick, else `full`."""
        return quick if self.quick else full

    def figure(self, rows: int = 1, columns: int = 1, size: tuple[float, float] | None = None, **options: Any) -> tuple[Figure, Any]:
        """A new figure and its Axes (one, or an array of them), as from `plt.subplots`."""
        from matplotlib.figure import Figure

        made = Figure(figsize=size or (4.5 * columns, 3.4 * rows), layout="constrained")
        return made, made.subplots(rows, columns, **options)

    def save(self, figure: Figure, name: str = "") -> None:
        """Write NAME.png and NAME.svg to the folder of --out; NAME is the name of the demo by default."""
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / (name or self.name)
        figure.savefig(f"{path}.png")
        figure.savefig(f"{path}.svg", metadata={"Date": None})
        print(f"wrote {path}.png and {path.name}.svg")

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print rows in aligned columns, with floats to four significant digits."""
        from rich import box
        from rich.console import Console
        from rich.table import Table

        made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for i, header in enumerate(headers):
            made.add_column(header, justify="right" if i else "left", no_wrap=True)
        for row in rows:
            made.add_row(*(f"{cell:.4g}" if isinstance(cell, (float, np.floating)) else str(cell) for cell in row))
        needed = Console(width=1000).measure(made).maximum
        Console(highlight=False, markup=False, width=max(needed, 80)).print(made)


def label_ends(axes: Axes, gap: float = 13) -> None:
    """Write the label of each line at its right end, in its colour, and at least `gap` points from the next label.

    Call it last, because it depends on the limits of the axes.
    """
    axes.get_xlim(), axes.get_ylim()  # updates the limits
    points = 72 / axes.figure.dpi
    ends = []
    for line in axes.get_lines():
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        shown = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if shown.size and not str(line.get_label()).startswith("_"):
            end = (x[shown[-1]], y[shown[-1]])
            ends.append((axes.transData.transform(end)[1] * points, end, line))
    ends.sort(key=lambda entry: entry[0])
    heights = spread([height for height, _, _ in ends], gap)
    for (height, end, line), wanted in zip(ends, heights, strict=True):
        offset = (6, wanted - height)
        axes.annotate(
            str(line.get_label()), end, offset, textcoords="offset points", va="center", color=line.get_color(), annotation_clip=False
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move ascending heights apart to at least `gap`; the mean of each cluster of labels does not change."""
    clusters: list[list[float]] = []  # (mean height, number of labels)
    for height in heights:
        middle, count = height, 1.0
        while clusters and middle - (count - 1) / 2 * gap < clusters[-1][0] + ((clusters[-1][1] - 1) / 2 + 1) * gap:
            below, more = clusters.pop()
            middle, count = (below * more + middle * count) / (more + count), more + count
        clusters.append([middle, count])
    return [middle + (i - (count - 1) / 2) * gap for middle, count in clusters for i in range(int(count))]


def digits(seed: int = 0, test: int = 360) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The 1797 handwritten digits of scikit-learn, split at random: x_train, y_train, x_test, y_test.

    x is (n, 64), standardised with one mean and one deviation of all training pixels; y (n,) are the digits, as int.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    mean, deviation = x[test:].mean(), x[test:].std()
    x = (x - mean) / deviation
    return x[test:], y[test:], x[:test], y[:test]
