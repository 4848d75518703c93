"""Layers: training steps of a recurrent, a convolutional and a GPT network, against the same by hand in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from .by_hand import convolve, convolve_slopes, gpt_slopes, pool, pool_slope, softmax_slope
from .timing import Contender, Contest, Step


def _load(model: Any, weights: list[np.ndarray]) -> list[Any]:
    """Give a model these weights; return its parameters."""
    parameters = list(model.parameters())
    for p, w in zip(parameters, weights, strict=True):
        p.data = w
    return parameters


# ── convolution ───────────────────────────────────────────────────────────────


def conv(batch: int = 32) -> Contest:
    """28×28 images, twice 3×3 filters, relu and 2×2 pooling, then ten classes: the gradients of all weights."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(batch, 1, 28, 28)), rng.integers(10, size=batch)
    shapes = [(8, 1, 3, 3), (8,), (16, 8, 3, 3), (16,), (10, 400), (10,)]
    w1, b1, w2, b2, w3, b3 = weights = [rng.uniform(-1, 1, shape) / np.sqrt(np.prod(shape[1:])) for shape in shapes]

    def by_hand() -> Step:
        def step() -> list[np.ndarray]:
            y1, columns1 = convolve(x, w1, b1)
            h1 = np.maximum(y1, 0.0)
            p1 = pool(h1)
            y2, columns2 = convolve(p1, w2, b2)
            h2 = np.maximum(y2, 0.0)
            p2 = pool(h2)
            flat = p2.reshape(batch, -1)
            g = softmax_slope(flat @ w3.T + b3, labels)
            d_w3, d_b3 = g.T @ flat, g.sum(axis=0)
            g = pool_slope((g @ w3).reshape(p2.shape), p2, h2) * (h2 > 0)
            g, d_w2, d_b2 = convolve_slopes(g, columns2, p1, w2, wrt_x=True)
            g = pool_slope(g, p1, h1) * (h1 > 0)
            _, d_w1, d_b1 = convolve_slopes(g, columns1, x, w1, wrt_x=False)
            return [d_w1, d_b1, d_w2, d_b2, d_w3, d_b3]

        return step

    def layers(kind: Any) -> list[Any]:
        """The same net in our nn and in PyTorch's."""
        first = [kind.Conv2d(1, 8, 3), kind.ReLU(), kind.MaxPool2d(2)]
        return [*first, kind.Conv2d(8, 16, 3), kind.ReLU(), kind.MaxPool2d(2), kind.Flatten(), kind.Linear(400, 10)]

    def ours(**mode: bool) -> Step:
        import nn

        model = nn.Sequential(*layers(nn))
        parameters = _load(model, weights)

        def step() -> list[np.ndarray]:
            model.zero_grad()
            nn.cross_entropy(model(x), labels).backward(**mode)
            return [p.grad for p in parameters]

        return step

    def mygrad() -> Step:
        import mygrad
        from mygrad.nnet.layers import conv_nd, max_pool
        from mygrad.nnet.losses import softmax_crossentropy

        m1, n1, m2, n2, m3, n3 = map(mygrad.tensor, (w1, b1, w2, b2, w3, b3))

        def step() -> None:
            h = max_pool(mygrad.maximum(conv_nd(x, m1, stride=1) + n1.reshape(-1, 1, 1), 0.0), (2, 2), 2)
            h = conv_nd(h, m2, stride=1) + n2.reshape(-1, 1, 1)
            h = max_pool(mygrad.maximum(h, 0.0)[:, :, :10, :10], (2, 2), 2)
            softmax_crossentropy(h.reshape(batch, -1) @ m3.T + n3, labels).backward()

        return step

    def torch() -> Step:
        import torch

        model = torch.nn.Sequential(*layers(torch.nn)).double()
        images, targets = torch.tensor(x), torch.tensor(labels)

        def step() -> None:
            model.zero_grad()
            torch.nn.functional.cross_entropy(model(images), targets).backward()

        return step

    contenders: dict[str, Contender] = {
        "NumPy by hand": by_hand,
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
        "MyGrad": mygrad,
        "PyTorch": torch,
    }
    return Contest(f"conv net, 28×28, batch {batch}", "NumPy by hand", contenders, "≤ 0.9 × NumPy", turn=0.2)


# ── recurrence ────────────────────────────────────────────────────────────────


def lstm(steps: int = 50, hidden: int = 64, batch: int = 32) -> Contest:
    """An LSTM over a sequence and the mean square of its outputs: the gradients of all weights."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(steps, batch, hidden))
    shapes = [(4 * hidden, hidden), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,)]
    to_gates, recur, b_x, b_h = weights = [rng.uniform(-1, 1, shape) / np.sqrt(hidden) for shape in shapes]
    i, f, g, o = (slice(k * hidden, (k + 1) * hidden) for k in range(4))

    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-a))

    def by_hand() -> Step:
        def step() -> list[np.ndarray]:
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

        return step

    def layer(**mode: bool) -> Step:
        import nn

        model = nn.LSTM(hidden, hidden)
        parameters = _load(model, weights)

        def step() -> list[np.ndarray]:
            model.zero_grad()
            out, _ = model(x)
            np.mean(out * out).backward(**mode)
            return [p.grad for p in parameters]

        return step

    def loop(**mode: bool) -> Step:
        import engine
        from engine import Value

        w_x, w_h, bias_x, bias_h = parameters = [Value(w) for w in weights]

        def step() -> list[np.ndarray]:
            for p in parameters:
                p.zero_grad()
            h, c, outputs = np.zeros((batch, hidden)), np.zeros((batch, hidden)), []
            for x_t in x:
                a = x_t @ w_x.T + h @ w_h.T + (bias_x + bias_h)
                c = engine.sigmoid(a[:, f]) * c + engine.sigmoid(a[:, i]) * np.tanh(a[:, g])
                h = engine.sigmoid(a[:, o]) * np.tanh(c)
                outputs.append(h)
            out = np.stack(outputs)
            np.mean(out * out).backward(**mode)
            return [p.grad for p in parameters]

        return step

    def torch() -> Step:
        import torch

        model, inputs = torch.nn.LSTM(hidden, hidden).double(), torch.tensor(x)

        def step() -> None:
            model.zero_grad()
            out, _ = model(inputs)
            (out * out).mean().backward()

        return step

    contenders: dict[str, Contender] = {
        "NumPy by hand": by_hand,
        "nn.LSTM": layer,
        "nn.LSTM, lean": lambda: layer(retain_graph=False),
        "a loop over Values": loop,
        "a loop over Values, lean": lambda: loop(retain_graph=False),
        "PyTorch": torch,
    }
    title = f"LSTM, {steps} steps, hidden {hidden}, batch {batch}"
    return Contest(title, "NumPy by hand", contenders, "≤ 1.5 × NumPy, nn.LSTM ≤ 1.7", turn=0.3)


# ── a small GPT ───────────────────────────────────────────────────────────────


def _gpt_model(letters: int = 27, places: int = 16, width: int = 16, heads: int = 4) -> Any:
    """microgpt's shape: learned places, RMSNorm without weights, one block without biases, relu."""
    import nn

    def norm(width: int) -> nn.Module:
        return nn.RMSNorm(width, eps=1e-5, elementwise_affine=False)

    class GPT(nn.Module):
        def __init__(self) -> None:
            self.letter, self.place = nn.Embedding(letters, width), nn.Embedding(places, width)
            self.head = nn.Linear(width, letters, bias=False)
            self.norm = norm(width)
            self.block = nn.TransformerBlock(width, heads, norm=norm, bias=False, is_causal=True)

        def forward(self, letters: np.ndarray) -> Any:
            return self.head(self.block(self.norm(self.letter(letters) + self.place(np.arange(len(letters))))))

    return GPT()


def gpt(heads: int = 4, width: int = 16) -> Contest:
    """One training step on one six-letter name: forward, backward and Adam."""
    name = np.array([26, 18, 14, 15, 7, 8, 0])  # the start, then the letters
    targets = np.array([18, 14, 15, 7, 8, 0, 26])
    rng = np.random.default_rng(0)
    shapes = [(27, width), (16, width), (27, width), (3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
    weights = [rng.normal(size=shape) * 0.1 for shape in shapes]

    def by_hand() -> Step:
        mine = [w.copy() for w in weights]
        moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        time = 0

        def step() -> list[np.ndarray]:
            nonlocal time
            time += 1
            for w, g, (m, v) in zip(mine, gpt_slopes(mine, name, targets, heads), moments, strict=True):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                w -= 1e-3 / (1.0 - 0.9**time) * m / (np.sqrt(v / (1.0 - 0.999**time)) + 1e-8)
            return mine

        return step

    def layers(**mode: bool) -> Step:
        import nn

        model = _gpt_model(width=width, heads=heads)
        parameters = _load(model, weights)
        optimizer = nn.optim.Adam(parameters, lr=1e-3)

        def step() -> list[np.ndarray]:
            optimizer.zero_grad()
            nn.cross_entropy(model(name), targets).backward(**mode)
            optimizer.step()
            return [p.numpy() for p in parameters]

        return step

    def text(**mode: bool) -> Step:
        import engine
        import nn
        from engine import Value

        letter, place, head, project, mix, widen, narrow = parameters = [Value(w) for w in weights]
        optimizer = nn.optim.Adam(parameters, lr=1e-3)
        n, hidden = len(name), np.where(np.tri(len(name)) > 0, 0.0, -np.inf)

        def norm(x: Any) -> Any:
            return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-5)

        def step() -> list[np.ndarray]:
            optimizer.zero_grad()
            x = norm(letter[name] + place[:n])
            q, k, v = (norm(x) @ project.T).reshape(n, 3, heads, -1).transpose(1, 2, 0, 3)
            seen = engine.softmax(q @ np.swapaxes(k, 1, 2) / np.sqrt(width // heads) + hidden) @ v
            x = x + np.swapaxes(seen, 0, 1).reshape(n, width) @ mix.T
            x = x + engine.relu(norm(x) @ widen.T) @ narrow.T
            loss = -np.mean(engine.log_softmax(x @ head.T)[np.arange(n), targets])
            loss.backward(**mode)
            optimizer.step()
            return [p.numpy() for p in parameters]

        return step

    contenders: dict[str, Contender] = {
        "NumPy by hand": by_hand,
        "nn": layers,
        "nn, lean": lambda: layers(retain_graph=False),
        "text on Values": text,
        "text on Values, lean": lambda: text(retain_graph=False),
    }
    return Contest(f"GPT, 1 layer, {heads} heads, {width} wide, one name, Adam", "NumPy by hand", contenders, "≤ 4.3 × NumPy", turn=0.1)


def gpt_by_number() -> Contest:
    """The same step by the GPT of `demos.scalar_gpt`, where every number is a node, against the one on arrays."""

    def prepared() -> tuple[Any, ...]:
        from demos import names
        from engine import Value

        letters = [names.LETTERS.index(letter) for letter in ".sophia."]
        model = names.GPT(width=16)
        rng = np.random.default_rng(0)
        for p in model.parameters():
            p.data = rng.normal(size=p.shape) * 0.1
        weights = {key: [[Value(w) for w in row] for row in p.data.tolist()] for key, p in model.named_parameters()}
        return letters, model, weights

    def arrays() -> Step:
        import nn

        letters, model, _ = prepared()
        inputs, targets = np.array(letters[:-1]), np.array(letters[1:])
        optimizer = nn.optim.Adam(model.parameters(), lr=1e-3)

        def step() -> list[np.ndarray]:
            optimizer.zero_grad()
            nn.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
            return [np.concatenate([p.numpy().ravel() for p in model.parameters()])]

        return step

    def numbers() -> Step:
        import nn
        from demos.scalar_gpt import scalar_loss

        letters, _, weights = prepared()
        singles = [w for rows in weights.values() for row in rows for w in row]
        optimizer = nn.optim.Adam(singles, lr=1e-3)

        def step() -> list[np.ndarray]:
            optimizer.zero_grad()
            scalar_loss(weights, letters)[0].backward()
            optimizer.step()
            return [np.array([w.data for w in singles])]

        return step

    contenders: dict[str, Contender] = {"on arrays": arrays, "every number a node": numbers}
    title = "GPT, on arrays and in single numbers, one name, Adam"
    return Contest(title, "on arrays", contenders, "arrays ≥ 100 × faster", turn=0.2, rounds=5)
