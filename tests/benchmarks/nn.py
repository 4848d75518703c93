"""Layers: training steps of a recurrent, a convolutional and a GPT network, against the same by hand in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import nn
from demos import names
from demos.scalar_gpt import scalar_loss
from engine import Value

from .scalar import _import
from .timing import Contest, Step


def contests() -> list[Contest]:
    """One contest for each family of layers."""
    return [lstm(), conv(), gpt(), gpt_by_number()]


def _softmax_slope(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """∂(mean cross-entropy)/∂scores."""
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    np.mean(np.log(p[rows, labels]))
    p[rows, labels] -= 1.0
    return p / len(labels)


# ── convolution ───────────────────────────────────────────────────────────────


def _conv_by_hand(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(output, columns)"""
    n, (out, channels, kh, kw) = len(x), weight.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(2, 3))
    height, width = windows.shape[2:4]
    columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, channels * kh * kw, height * width)
    y = weight.reshape(out, -1) @ columns
    y += bias[:, None]
    return y.reshape(n, out, height, width), columns


def _conv_slopes(
    g: np.ndarray, columns: np.ndarray, x: np.ndarray, weight: np.ndarray, *, wrt_x: bool
) -> tuple[Any, np.ndarray, np.ndarray]:
    """The gradients for x, weight and bias."""
    n, out, height, width = g.shape
    flat = g.reshape(n, out, -1)
    d_weight = (flat @ columns.swapaxes(1, 2)).sum(axis=0).reshape(weight.shape)
    d_bias = flat.sum(axis=(0, 2))
    if not wrt_x:
        return None, d_weight, d_bias
    kh, kw = weight.shape[2:]
    d_columns = (weight.reshape(out, -1).T @ flat).reshape(n, -1, kh, kw, height, width)
    d_x = np.zeros_like(x)
    for i in range(kh):
        for j in range(kw):
            d_x[:, :, i : i + height, j : j + width] += d_columns[:, :, i, j]
    return d_x, d_weight, d_bias


_PLACES = [(0, 0), (0, 1), (1, 0), (1, 1)]


def _pool_by_hand(x: np.ndarray) -> np.ndarray:
    h, w = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    a, b, c, d = (x[:, :, i:h:2, j:w:2] for i, j in _PLACES)
    return np.maximum(np.maximum(a, b), np.maximum(c, d))


def _pool_slope(g: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    h, w = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    d_x = np.zeros_like(x)
    for i, j in _PLACES:
        d_x[:, :, i:h:2, j:w:2] = g * (x[:, :, i:h:2, j:w:2] == y)
    return d_x


def conv(batch: int = 32) -> Contest:
    """28×28 images, twice 3×3 filters, relu and 2×2 pooling, then ten classes: the gradients of all weights."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(batch, 1, 28, 28)), rng.integers(10, size=batch)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10)
    )  # fmt: skip
    w1, b1, w2, b2, w3, b3 = (p.numpy() for p in model.parameters())

    def by_hand() -> list[np.ndarray]:
        y1, columns1 = _conv_by_hand(x, w1, b1)
        h1 = np.maximum(y1, 0.0)
        p1 = _pool_by_hand(h1)
        y2, columns2 = _conv_by_hand(p1, w2, b2)
        h2 = np.maximum(y2, 0.0)
        p2 = _pool_by_hand(h2)
        flat = p2.reshape(batch, -1)
        g = _softmax_slope(flat @ w3.T + b3, labels)
        d_w3, d_b3 = g.T @ flat, g.sum(axis=0)
        g = _pool_slope((g @ w3).reshape(p2.shape), p2, h2) * (h2 > 0)
        g, d_w2, d_b2 = _conv_slopes(g, columns2, p1, w2, wrt_x=True)
        g = _pool_slope(g, p1, h1) * (h1 > 0)
        _, d_w1, d_b1 = _conv_slopes(g, columns1, x, w1, wrt_x=False)
        return [d_w1, d_b1, d_w2, d_b2, d_w3, d_b3]

    def ours(**mode: bool) -> list[np.ndarray]:
        model.zero_grad()
        nn.cross_entropy(model(x), labels).backward(**mode)
        return [p.grad for p in model.parameters()]

    _agree(by_hand(), ours())
    contenders: dict[str, Step] = {
        "NumPy by hand": by_hand,
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
    }
    if mygrad := _import("mygrad"):
        from mygrad.nnet.layers import conv_nd, max_pool
        from mygrad.nnet.losses import softmax_crossentropy

        m1, n1, m2, n2, m3, n3 = map(mygrad.tensor, (w1, b1, w2, b2, w3, b3))

        def with_mygrad() -> None:
            h = max_pool(mygrad.maximum(conv_nd(x, m1, stride=1) + n1.reshape(-1, 1, 1), 0.0), (2, 2), 2)
            h = conv_nd(h, m2, stride=1) + n2.reshape(-1, 1, 1)
            h = max_pool(mygrad.maximum(h, 0.0)[:, :, :10, :10], (2, 2), 2)
            softmax_crossentropy(h.reshape(batch, -1) @ m3.T + n3, labels).backward()

        contenders["MyGrad"] = with_mygrad
    return Contest(f"conv net, 28×28, batch {batch}", "NumPy by hand", contenders, "lean ≤ 1.6 × NumPy, faster than MyGrad", turn=0.2)


# ── recurrence ────────────────────────────────────────────────────────────────


def lstm(steps: int = 50, hidden: int = 64, batch: int = 32) -> Contest:
    """An LSTM over a sequence and the mean square of its outputs: the gradients of all weights."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(steps, batch, hidden))
    model = nn.LSTM(hidden, hidden)
    to_gates, recur, b_x, b_h = (p.numpy() for p in model.parameters())
    i, f, g, o = (slice(k * hidden, (k + 1) * hidden) for k in range(4))

    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-a))

    def by_hand() -> list[np.ndarray]:
        flat = x.reshape(steps * batch, hidden)
        from_x = (flat @ to_gates.T + (b_x + b_h)).reshape(steps, batch, -1)
        h, c = np.zeros((steps + 1, batch, hidden)), np.zeros((steps + 1, batch, hidden))
        gates, squashed = np.empty_like(from_x), np.empty_like(x)
        for t in range(steps):
            a, s = from_x[t] + h[t] @ recur.T, gates[t]
            s[:, : 2 * hidden] = sigmoid(a[:, : 2 * hidden])  # i and f lie side by side
            s[:, g] = np.tanh(a[:, g])
            s[:, o] = sigmoid(a[:, o])
            c[t + 1] = s[:, f] * c[t] + s[:, i] * s[:, g]
            squashed[t] = np.tanh(c[t + 1])
            h[t + 1] = s[:, o] * squashed[t]
        out = h[1:]
        np.mean(out * out)
        d_out, d_gates = out * (2.0 / out.size), np.empty_like(gates)
        d_h, d_c = np.zeros((batch, hidden)), np.zeros((batch, hidden))
        for t in reversed(range(steps)):
            s, d = gates[t], d_gates[t]
            d_h = d_h + d_out[t]
            d_c = d_c + d_h * s[:, o] * (1.0 - squashed[t] ** 2)
            d[:, i] = d_c * s[:, g] * s[:, i] * (1.0 - s[:, i])
            d[:, f] = d_c * c[t] * s[:, f] * (1.0 - s[:, f])
            d[:, g] = d_c * s[:, i] * (1.0 - s[:, g] ** 2)
            d[:, o] = d_h * squashed[t] * s[:, o] * (1.0 - s[:, o])
            d_c = d_c * s[:, f]
            d_h = d @ recur
        d_flat = d_gates.reshape(steps * batch, -1)
        d_bias = d_flat.sum(axis=0)
        return [d_flat.T @ flat, d_flat.T @ h[:-1].reshape(steps * batch, hidden), d_bias, d_bias.copy()]

    def ours(**mode: bool) -> list[np.ndarray]:
        model.zero_grad()
        out, _ = model(x)
        np.mean(out * out).backward(**mode)
        return [p.grad for p in model.parameters()]

    _agree(by_hand(), ours())
    contenders: dict[str, Step] = {
        "NumPy by hand": by_hand,
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
    }
    return Contest(f"LSTM, {steps} steps, hidden {hidden}, batch {batch}", "NumPy by hand", contenders, "lean ≤ 2.0 × NumPy", turn=0.2)


# ── a small GPT ───────────────────────────────────────────────────────────────


class GPT(nn.Module):
    """microgpt's shape: learned places, RMSNorm without weights, one block without biases, relu."""

    def __init__(self, letters: int = 27, places: int = 16, width: int = 16, heads: int = 4):
        def norm(width: int) -> nn.Module:
            return nn.RMSNorm(width, eps=1e-5, elementwise_affine=False)

        self.letter, self.place = nn.Embedding(letters, width), nn.Embedding(places, width)
        self.norm = norm(width)
        self.block = nn.TransformerBlock(width, heads, norm=norm, bias=False, is_causal=True)
        self.head = nn.Linear(width, letters, bias=False)

    def forward(self, letters: np.ndarray) -> Any:
        return self.head(self.block(self.norm(self.letter(letters) + self.place(np.arange(len(letters))))))


def _gpt_slopes(weights: list[np.ndarray], letters: np.ndarray, targets: np.ndarray, heads: int) -> list[np.ndarray]:
    """The gradients of the GPT's weights, in the order of its parameters."""
    letter, place, head, project, mix, widen, narrow = weights
    n, width = len(letters), letter.shape[1]

    def norm(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scale = 1.0 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5)
        return x * scale, scale

    def norm_slope(g: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return (g - y * (g * y).mean(axis=-1, keepdims=True)) * scale

    y0, s0 = norm(letter[letters] + place[:n])
    y1, s1 = norm(y0)
    q, k, v = (y1 @ project.T).reshape(n, 3, heads, -1).transpose(1, 2, 0, 3)
    root = 1.0 / np.sqrt(width // heads)
    scores = (q * root) @ k.swapaxes(1, 2) + np.where(np.tri(n) > 0, 0.0, -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    seen = (p @ v).swapaxes(0, 1).reshape(n, width)
    x1 = y0 + seen @ mix.T
    y2, s2 = norm(x1)
    wide = np.maximum(y2 @ widen.T, 0.0)
    x2 = x1 + wide @ narrow.T
    g = _softmax_slope(x2 @ head.T, targets)
    d_head, g = g.T @ x2, g @ head
    d_narrow, d_wide = g.T @ wide, (g @ narrow) * (wide > 0)
    d_widen = d_wide.T @ y2
    g = g + norm_slope(d_wide @ widen, y2, s2)
    d_mix, d_seen = g.T @ seen, (g @ mix).reshape(n, heads, -1).swapaxes(0, 1)
    d_p, d_v = d_seen @ v.swapaxes(1, 2), p.swapaxes(1, 2) @ d_seen
    d_scores = p * (d_p - (d_p * p).sum(axis=-1, keepdims=True))
    d_q, d_k = d_scores @ k * root, d_scores.swapaxes(1, 2) @ (q * root)
    d_qkv = np.stack([d_q, d_k, d_v]).transpose(2, 0, 1, 3).reshape(n, -1)
    d_project = d_qkv.T @ y1
    g = g + norm_slope(d_qkv @ project, y1, s1)
    g = norm_slope(g, y0, s0)
    d_letter, d_place = np.zeros_like(letter), np.zeros_like(place)
    np.add.at(d_letter, letters, g)
    d_place[:n] = g
    return [d_letter, d_place, d_head, d_project, d_mix, d_widen, d_narrow]


def gpt(heads: int = 4) -> Contest:
    """One training step on one six-letter name: forward, backward and Adam."""
    name = np.array([26, 18, 14, 15, 7, 8, 0])  # the start, then the letters
    targets = np.array([18, 14, 15, 7, 8, 0, 26])
    model = GPT(heads=heads)
    order = ["letter.weight", "place.weight", "head.weight", "block.self_attn.in_proj_weight", "block.self_attn.out_proj.weight"]
    order += ["block.linear1.weight", "block.linear2.weight"]
    named = dict(model.named_parameters())
    weights = [named[key].numpy() for key in order]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    time = 0

    def by_hand() -> None:
        nonlocal time
        time += 1
        for w, g, (m, v) in zip(weights, _gpt_slopes(weights, name, targets, heads), moments, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            w -= 1e-3 / (1.0 - 0.9**time) * m / (np.sqrt(v / (1.0 - 0.999**time)) + 1e-8)

    optimizer = nn.optim.Adam(model.parameters(), lr=1e-3)

    def ours(**mode: bool) -> None:
        optimizer.zero_grad()
        nn.cross_entropy(model(name), targets).backward(**mode)
        optimizer.step()

    for _ in range(3):
        by_hand()
        ours()
    _agree(weights, [named[key].numpy() for key in order])
    contenders: dict[str, Step] = {
        "NumPy by hand": by_hand,
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
    }
    return Contest("GPT, 1 layer, 4 heads, 16 wide, one name, Adam", "NumPy by hand", contenders, "≤ 5 × NumPy")


def gpt_by_number() -> Contest:
    """The same step by the GPT of `demos.scalar_gpt`, where every number is a node, against the one on arrays."""
    letters = [names.LETTERS.index(letter) for letter in ".sophia."]
    inputs, targets = np.array(letters[:-1]), np.array(letters[1:])
    model = names.GPT(width=16)
    weights = {key: [[Value(w) for w in row] for row in p.data.tolist()] for key, p in model.named_parameters()}
    singles = [w for rows in weights.values() for row in rows for w in row]
    on_arrays, on_singles = (nn.optim.Adam(params, lr=1e-3) for params in (model.parameters(), singles))

    def arrays() -> None:
        on_arrays.zero_grad()
        nn.cross_entropy(model(inputs), targets).backward()
        on_arrays.step()

    def numbers() -> None:
        on_singles.zero_grad()
        scalar_loss(weights, letters)[0].backward()
        on_singles.step()

    for _ in range(2):
        arrays()
        numbers()
    _agree([np.array([w.data for w in singles])], [np.concatenate([p.numpy().ravel() for p in model.parameters()])])
    contenders: dict[str, Step] = {"on arrays": arrays, "every number a node": numbers}
    return Contest(
        "GPT, on arrays and in single numbers, one name, Adam", "on arrays", contenders, "arrays ≥ 100 × faster", turn=0.2, rounds=5
    )


def _agree(by_hand: list[np.ndarray], ours: list[np.ndarray]) -> None:
    """Before the race: both compute the same gradients."""
    for theirs, mine in zip(by_hand, ours, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


if __name__ == "__main__":
    from .__main__ import show

    for contest in contests():
        show(contest)
