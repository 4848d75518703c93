"""What does a GPT compute, number by number, and is it what the one on arrays computes?

The GPT of `names`, half as wide, and written with single numbers: every weight, product and sum is a node of
the graph, and attention is a loop that one can read.  The GPT on arrays gets the same weights and reads the same
name; their losses, gradients and times are compared.  (--word takes a name of up to eleven letters.)
"""

from __future__ import annotations

import math
import time
from itertools import pairwise

import numpy as np

from demos._common import BLUE
from demos.names import GPT, LETTERS, PLACES, load, train
from engine import Value, draw
from engine.node import reachable
from nn import cross_entropy, optim


def add_arguments(parser) -> None:
    parser.add_argument("--word", default="sophia", help="the name to read, in small letters (default sophia)")


# ── a GPT in single numbers: a vector is a list of Values, a matrix a list of rows ────────────


def linear(x, rows):
    return [sum(w * xi for w, xi in zip(row, x, strict=True)) for row in rows]


def softmax(scores):
    largest = max(score.data for score in scores)
    powers = [(score - largest).exp() for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def rms_norm(x):
    scale = (sum(xi * xi for xi in x) / len(x) + np.finfo(float).eps) ** -0.5
    return [xi * scale for xi in x]


def attend(query, keys, values, heads):
    """The attention of each head: (the weighted means of the values so far, the weights).

    The weights of a head are the softmax of how well its part of the query matches the keys.
    """
    size = len(query) // heads
    means, all_weights = [], []
    for start in range(0, len(query), size):
        part = slice(start, start + size)
        scores = [sum(q * k for q, k in zip(query[part], key[part], strict=True)) / math.sqrt(size) for key in keys]
        weights = softmax(scores)
        all_weights.append(weights)
        means += [sum(w * value[i] for w, value in zip(weights, values, strict=True)) for i in range(part.start, part.stop)]
    return means, all_weights


def next_letter(weights, letter, place, keys, values, heads):
    """(the probabilities of the next letter, the attention weights); appends the key and the value of this letter."""
    x = rms_norm([a + b for a, b in zip(weights["letter.weight"][letter], weights["place.weight"][place], strict=True)])
    projected = linear(rms_norm(x), weights["block.self_attn.in_proj_weight"])
    query, key, value = (projected[i * len(x) : (i + 1) * len(x)] for i in range(3))
    keys.append(key)
    values.append(value)
    means, attention = attend(query, keys, values, heads)
    x = [a + b for a, b in zip(x, linear(means, weights["block.self_attn.out_proj.weight"]), strict=True)]
    hidden = [h.relu() for h in linear(rms_norm(x), weights["block.linear1.weight"])]
    x = [a + b for a, b in zip(x, linear(hidden, weights["block.linear2.weight"]), strict=True)]
    return softmax(linear(x, weights["head.weight"])), attention


def scalar_loss(weights, letters, heads=4):
    """(mean of -ln p(next letter), the attention weights of every head from each letter to the letters before)."""
    keys, values, losses, attention = [], [], [], []
    for place, (letter, following) in enumerate(pairwise(letters)):
        p, of_heads = next_letter(weights, letter, place, keys, values, heads)
        p[following].label = f"p({LETTERS[following]} after {''.join(LETTERS[i] for i in letters[: place + 1])})"
        losses.append(-p[following].log())
        attention.append(of_heads)
    return sum(losses) / len(losses), attention


def draw_attention(demo, name: str, attention) -> None:
    """For each head, the weights from each letter (row) to the letters before (columns)."""
    from matplotlib.colors import LinearSegmentedColormap

    figure, panels = demo.figure(1, 4, size=(12, 3.5))
    paint = LinearSegmentedColormap.from_list("attention", [f"{BLUE}00", BLUE])
    for head, axes in enumerate(panels):
        grid = np.full((len(name), len(name)), np.nan)
        for place, heads in enumerate(attention):
            grid[place, : place + 1] = [weight.data for weight in heads[head]]
        axes.imshow(grid, cmap=paint, vmin=0, vmax=1)
        axes.set_xticks(range(len(name)), name)
        axes.set_yticks(range(len(name)), name)
        axes.set(title=f"Head {head + 1}", xlabel="looks at")
        axes.grid(visible=False)
    panels[0].set_ylabel("the letter")
    demo.save(figure)


def run(demo) -> str:
    name = f".{demo.word}."
    if not demo.word or len(name) > PLACES + 1 or set(demo.word) - set(LETTERS[1:]):
        raise SystemExit(f"--word takes 1 to {PLACES - 1} letters from a to z, not {demo.word!r}")
    letters = [LETTERS.index(letter) for letter in name]
    on_arrays = GPT(width=16)
    train(on_arrays, load()[: demo.pick(None, 1500)], load()[:100], 1, demo.seed)
    weights = {key: [[Value(w) for w in row] for row in p.data.tolist()] for key, p in on_arrays.named_parameters()}
    singles = [w for rows in weights.values() for row in rows for w in row]
    array_step, scalar_step = optim.Adam(on_arrays.parameters(), lr=1e-2), optim.Adam(singles, lr=1e-2)

    rows, gaps, times = [], [], ([], [])
    for step in range(demo.pick(5, 2)):
        began = time.perf_counter()
        array_step.zero_grad()
        array_loss = cross_entropy(on_arrays(np.array(letters[:-1])), letters[1:])
        array_loss.backward()
        halfway = time.perf_counter()
        scalar_step.zero_grad()
        loss, attention = scalar_loss(weights, letters)
        loss.backward()
        ended = time.perf_counter()
        gaps.append(np.abs([w.grad for w in singles] - np.concatenate([p.grad.ravel() for p in on_arrays.parameters()])).max())
        if not step:
            count = len(reachable([loss]))
            draw_attention(demo, name[:-1], attention)
            picture = draw({"loss": loss}, depth=5)
            for kind in ("png", "svg"):
                print("wrote", picture.render(outfile=demo.out / f"scalar_gpt_graph.{kind}", cleanup=True))
        array_step.step()
        scalar_step.step()
        times[0].append(halfway - began)
        times[1].append(ended - halfway)
        rows.append([step, array_loss.item(), loss.item(), f"{gaps[-1]:.0e}"])
    demo.table(["step", "loss, on arrays", "loss, single numbers", "gradients differ by"], rows)
    fast, slow = map(min, times)
    return (
        f"To read {demo.word!r}, the GPT computes with {count:,} numbers, {len(singles):,} of them weights.  Each gets a gradient,\n"
        f"the same as on arrays to within {max(gaps):.0e}.  "
        f"Both passes took {1000 * slow:.0f} ms, and {1000 * fast:.1f} ms on arrays, {slow / fast:.0f} times less."
    )
