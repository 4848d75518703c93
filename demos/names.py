"""How much of what makes a name a name can a network learn, from one letter back to all of them?

Three models predict the next letter: a bigram model, which sees the last letter; a multilayer perceptron, which
sees the last three; and a small GPT, which sees all letters so far.  All are trained in the same way on the 5163
first names of the 1990 US census.  The loss is -ln of the probability of the next letter, on test names.
Then each model makes up new names.  (In `scalar_gpt` every number of the GPT is a node.)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demos._common import BLUE, GREEN, ORANGE, label_ends
from engine import no_grad, softmax
from nn import Batches, Embedding, Linear, Module, RMSNorm, TransformerBlock, cross_entropy, optim

LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the dot marks the start and the end of a name
PLACES = 12


def load() -> np.ndarray:
    """Every name with a dot before it and dots after it, as indices into LETTERS: (n, PLACES + 1)."""
    words = (Path(__file__).parent / "data" / "names.txt").read_text(encoding="utf-8").split()
    return np.array([[LETTERS.index(letter) for letter in f".{word}".ljust(PLACES + 1, ".")] for word in words])


class Bigram(Embedding):
    """For each letter, one row with the scores of the next letter."""

    def __init__(self):
        super().__init__(len(LETTERS), len(LETTERS))


class Perceptron(Module):
    """The vectors of the last three letters, joined, are the input of a hidden layer (Bengio et al. 2003)."""

    def __init__(self, before: int = 3, width: int = 10, hidden: int = 240):
        self.before = before
        self.letter, self.hidden = Embedding(len(LETTERS), width), Linear(before * width, hidden)
        self.head = Linear(hidden, len(LETTERS))

    def forward(self, letters):
        n, time = letters.shape
        padded = np.pad(letters, ((0, 0), (self.before - 1, 0)))
        last = np.lib.stride_tricks.sliding_window_view(padded, self.before, axis=1)
        return self.head(np.tanh(self.hidden(self.letter(last).reshape(n, time, -1))))


class GPT(Module):
    """The vector of the letter plus that of its position; a transformer block with causal attention; scores."""

    def __init__(self, width: int = 32, heads: int = 4):
        self.letter, self.place = Embedding(len(LETTERS), width), Embedding(PLACES, width)
        self.norm = RMSNorm(width, elementwise_affine=False)
        self.block = TransformerBlock(width, heads, bias=False, is_causal=True, norm=lambda width: RMSNorm(width, elementwise_affine=False))
        self.head = Linear(width, len(LETTERS), bias=False)

    def forward(self, letters):
        x = self.norm(self.letter(letters) + self.place(np.arange(letters.shape[-1])))
        return self.head(self.block(x))


def loss_on(model: Module, names: np.ndarray):
    """The mean loss over the letters of the names and the dot after each; the dots after that do not count."""
    letters, following = names[:, :-1], names[:, 1:]
    counts = (letters > 0) | (np.arange(PLACES) == 0)
    return cross_entropy(model(letters)[counts], following[counts])


def train(model: Module, names: np.ndarray, test: np.ndarray, epochs: int, seed: int) -> list[float]:
    """The loss on the test names, before training and after each epoch."""
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=epochs)
    batches = Batches(names, batch_size=32, seed=seed)
    losses = []
    for epoch in range(epochs + 1):
        with no_grad():
            losses.append(loss_on(model, test).item())
        if epoch < epochs:
            for (batch,) in batches:
                optimizer.zero_grad()
                loss_on(model, batch).backward(retain_graph=False)
                optimizer.step()
            schedule.step()
    return losses


def sample(model: Module, count: int, rng: np.random.Generator) -> list[str]:
    """New names, all at the same time, letter by letter; each letter is drawn from the probabilities of the model."""
    letters = np.zeros((count, 1), int)
    with no_grad():
        for _ in range(PLACES):
            p = softmax(model(letters)[:, -1]).data
            drawn = (rng.random((count, 1)) < np.cumsum(p, axis=1)).argmax(axis=1)
            letters = np.column_stack([letters, drawn])
    return ["".join(LETTERS[i] for i in row[1:]).partition(".")[0] for row in letters]


def run(demo) -> str:
    from matplotlib.colors import LinearSegmentedColormap

    names = load()
    names = np.random.default_rng(demo.seed).permutation(names)
    test, names = names[:500], names[500:]
    known = {"".join(LETTERS[i] for i in name).strip(".") for name in names}
    figure, (pairs, curves) = demo.figure(1, 2, size=(11, 4.8))
    rows, told, written = [], [], {}
    for name, build, paint in (("bigram", Bigram, ORANGE), ("perceptron", Perceptron, GREEN), ("GPT", GPT, BLUE)):
        model = build()
        losses = train(model, names, test, demo.pick(10, 1), demo.seed)
        written[name] = sample(model, 400, np.random.default_rng(demo.seed))
        copied = np.mean([word in known for word in written[name]])
        weights = sum(p.size for p in model.parameters())
        rows.append([name, f"{weights:,}", losses[-1], np.exp(losses[-1]), f"{copied:.0%}"])
        told.append(f"{np.exp(losses[-1]):.1f} with the {name}")
        curves.plot(losses, "o-", ms=4, color=paint, label=f"{name} {losses[-1]:.2f}")
        if name == "bigram":
            pairs.imshow(softmax(model.weight).data, cmap=LinearSegmentedColormap.from_list("p", [f"{ORANGE}00", ORANGE]), vmax=0.4)
    demo.table(["model", "weights", "loss", "as unsure as among", "copied"], rows)
    print("new names that are not in the training data:")
    fresh = {name: [word for word in dict.fromkeys(words) if word and word not in known] for name, words in written.items()}
    for name, words in fresh.items():
        print(f"  {name:12}{' '.join(words[:12])}")

    pairs.set_xticks(range(len(LETTERS)), LETTERS, size=8)
    pairs.set_yticks(range(len(LETTERS)), LETTERS, size=8)
    pairs.set(xlabel="the next letter", ylabel="after the letter", title="What the bigram has learned: the probability of each pair")
    pairs.grid(visible=False)
    curves.set(xlabel="epoch", ylabel="loss on names held back", ylim=(1.9, 2.9), title="Seeing further back")
    label_ends(curves)
    demo.save(figure)
    return (
        f"The next letter is as uncertain as a choice among {', '.join(told)}; without a model, {len(LETTERS)}.\n"
        f"The GPT writes {', '.join(fresh['GPT'][:6])}; the bigram {', '.join(fresh['bigram'][:6])}."
    )
