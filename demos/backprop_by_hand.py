"""Can the backward pass of a whole network be written by hand, and does every line of it hold?

A two-layer classifier with batch normalisation and cross-entropy reads handwritten digits.  `forward`
computes its loss in small steps; `by_hand` has the gradient of each step, derived with pen and paper, in
plain NumPy.  The engine sees the forward pass only; its gradients are compared with every line.
"""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np

from demos._common import BLUE, ORANGE, digits
from engine import Value

CLASSES, HIDDEN = 10, 32


def forward(x, y, W1, b1, gamma, beta, W2, b2):
    """The mean cross-entropy of a batch x (n, 64) with labels y (n,); returns every step by its name."""
    n = len(x)
    z = x @ W1 + b1  # (n, hidden)
    mean = z.sum(axis=0) / n  # batch norm: the mean of each unit over the batch,
    centred = z - mean
    var = (centred**2).sum(axis=0) / n  # its variance,
    rstd = (var + 1e-5) ** -0.5
    xhat = centred * rstd  # the unit with mean 0 and variance 1,
    h = xhat * gamma + beta  # and a learned scale and shift
    a = np.tanh(h)
    logits = a @ W2 + b2  # (n, classes)
    e = np.exp(logits)
    total = e.sum(axis=1, keepdims=True)
    p = e / total  # softmax
    logp = np.log(p)
    loss = -logp[np.arange(n), y].sum() / n
    return SimpleNamespace(**locals())


def by_hand(f):
    """∂loss/∂step for every step of `forward`, from the last to the first; f holds their plain numbers."""
    n, d = f.n, {}
    hot = np.eye(CLASSES)[f.y]  # 1 at the right class
    d["logp"] = -hot / n
    d["p"] = d["logp"] / f.p
    d["total"] = -(d["p"] * f.p / f.total).sum(axis=1, keepdims=True)
    d["e"] = d["p"] / f.total + d["total"]
    d["logits"] = d["e"] * f.e
    d["W2"] = f.a.T @ d["logits"]
    d["b2"] = d["logits"].sum(axis=0)
    d["a"] = d["logits"] @ f.W2.T
    d["h"] = d["a"] * (1 - f.a**2)
    d["gamma"] = (d["h"] * f.xhat).sum(axis=0)
    d["beta"] = d["h"].sum(axis=0)
    d["xhat"] = d["h"] * f.gamma
    d["rstd"] = (d["xhat"] * f.centred).sum(axis=0)
    d["var"] = d["rstd"] * -0.5 * f.rstd**3
    d["centred"] = d["xhat"] * f.rstd + d["var"] * 2 * f.centred / n
    d["mean"] = -d["centred"].sum(axis=0)
    d["z"] = d["centred"] + d["mean"] / n
    d["W1"] = f.x.T @ d["z"]
    d["b1"] = d["z"].sum(axis=0)
    return d


def shortcuts(f, d):
    """The same gradients after some algebra: softmax with cross-entropy in one line, and batch norm in one line."""
    hot = np.eye(CLASSES)[f.y]
    return {
        "logits": (f.p - hot) / f.n,
        "z": f.rstd / f.n * (f.n * d["xhat"] - d["xhat"].sum(axis=0) - f.xhat * (d["xhat"] * f.xhat).sum(axis=0)),
    }


def lines(function) -> dict[str, str]:
    """The right-hand side of each line d["step"] = ... in the source of a function."""
    source = (line.strip().partition('"] = ') for line in inspect.getsource(function).splitlines())
    return {start.removeprefix('d["'): formula for start, _, formula in source if formula}


def run(demo) -> str:
    rng = np.random.default_rng(demo.seed)
    x, y, _, _ = digits(demo.seed)
    x, y = x[: demo.pick(256, 32)], y[: demo.pick(256, 32)]
    shapes = {"W1": (64, HIDDEN), "b1": HIDDEN, "gamma": HIDDEN, "beta": HIDDEN, "W2": (HIDDEN, CLASSES), "b2": CLASSES}
    steps = forward(x, y, **{name: Value(rng.normal(name == "gamma", 0.2, shape), label=name) for name, shape in shapes.items()})
    steps.loss.backward()
    plain = SimpleNamespace(**{name: step.data if isinstance(step, Value) else step for name, step in vars(steps).items()})
    d = by_hand(plain)

    def difference(name: str, gradient: np.ndarray) -> float:
        """The largest difference from the gradient of the engine."""
        return float(np.abs(gradient - getattr(steps, name).grad).max())

    print(f"loss {steps.loss.item():.6f}; the backward pass, from the loss down to the first weights:")
    formulas, gaps = lines(by_hand), {name: difference(name, gradient) for name, gradient in d.items()}
    demo.table(
        ["d[...]", "by hand", "shape", "largest |d|", "difference"],
        [[name, formulas[name], gradient.shape, np.abs(gradient).max(), gaps[name]] for name, gradient in d.items()],
    )
    short = {name: difference(name, gradient) for name, gradient in shortcuts(plain, d).items()}
    print(f"in one step: softmax with cross-entropy, difference {short['logits']:.1e}; batch norm, {short['z']:.1e}")

    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    figure, (left, right) = demo.figure(1, 2, size=(11, 4.8), width_ratios=[1, 1.1])
    exact = min([gap for gap in gaps.values() if gap], default=1e-18) / 30  # where a difference of 0 is drawn
    for i, gap in enumerate(gaps.values()):
        left.plot([exact, gap or exact], [i, i], color=BLUE, lw=1.2)
        left.plot(gap or exact, i, "o", color=BLUE, mfc=BLUE if gap else "none")
    left.text(exact * 1.6, 0, "equal in every bit", va="center", color=BLUE)
    left.set(xscale="log", ylim=(len(d), -1), xlabel="largest difference", title="Each line by hand against the engine")
    left.set_yticks(range(len(d)), [f"d[{name}]" for name in d])
    left.grid(visible=False, axis="y")

    shown = d["logits"][:14] * len(x)
    paint = LinearSegmentedColormap.from_list("pull", [BLUE, f"{BLUE}00", f"{ORANGE}00", ORANGE])
    right.imshow(shown, cmap=paint, norm=TwoSlopeNorm(0.0, -1.0, shown.max()), aspect="auto")
    right.set_xticks(range(CLASSES))
    right.set_yticks(range(len(shown)), y[: len(shown)])
    right.set(xlabel="class", ylabel="the digit shown", title="d[logits]: blue pulls a score up, orange pushes it down")
    right.grid(visible=False)
    demo.save(figure)

    equal, rest = sum(not gap for gap in gaps.values()), max(gaps.values())
    return (
        (
            f"Every line holds: {equal} of {len(gaps)} equal the engine's gradient in every bit, the others to within {rest:.1e}.\n"
            f"Batch norm subtracts every constant, so the bias before it learns nothing: its gradient is {np.abs(d['b1']).max():.1e}."
        )
        if rest < 1e-12
        else f"No: {max(gaps, key=gaps.get)} differs by {rest:.1e}."
    )
