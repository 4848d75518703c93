"""How much of what makes a name a name can a network learn, from one letter back to all of them?

Three models of the next letter, trained alike on the 5163 first names of the 1990 US census: a bigram,
which sees the last letter; a multilayer perceptron, which sees the last three; and a small GPT, which
sees all letters so far.  Loss: -ln of the probability given to the next letter, on names held back.
Then each makes up new names.  (`scalar_gpt` has the GPT with every number a node of its own.)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demos._common import BLUE, GREEN, ORANGE, label_ends
from engine import no_grad, softmax
from nn import Batches, Embedding, Linear, Module, RMSNorm, TransformerBlock, cross_entropy, optim

LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the dot begins a name and ends it
PLACES = 12


def load() -> np.ndarray:
    """Every name between dots, filled up with dots: (n, PLACES + 1) of indices into LETTERS."""
    words = (Path(__file__).parent / "data" / "names.txt").read_text(encoding="utf-8").split()
    return np.array([[LETTERS.index(letter) for letter in f".{word}".ljust(PLACES + 1, ".")] for word in words])


class Bigram(Embedding):
    """A row of scores for each letter: those of the letters after it."""

    def __init__(self):
        super().__init__(len(LETTERS), len(LETTERS))


class Perceptron(Module):
    """The last three letters, each as a vector, side by side into a hidden layer (Bengio et al. 2003)."""

    def __init__(self, before: int = 3, width: int = 10, hidden: int = 240):
        self.before = before
        self.letter, self.hidden = Embedding(len(LETTERS), width), Linear(before * width, hidden)
        self.head = Linear(hidden, len(LETTERS))

    def forward(self, letters):
        n, time = letters.shape
        padded = np.pad(letters, ((0, 0), (self.before - 1, 0)))
        seen = np.lib.stride_tricks.sliding_window_view(padded, self.before, axis=1)
        return self.head(np.tanh(self.hidden(self.letter(seen).reshape(n, time, -1))))


class GPT(Module):
    """A vector for the letter plus one for its place; a block of causal attention and a hidden layer; scores."""

    def __init__(self, width: int = 32, heads: int = 4):
        self.letter, self.place = Embedding(len(LETTERS), width), Embedding(PLACES, width)
        self.norm = RMSNorm(width, elementwise_affine=False)
        self.block = TransformerBlock(width, heads, bias=False, is_causal=True, norm=lambda width: RMSNorm(width, elementwise_affine=False))
        self.head = Linear(width, len(LETTERS), bias=False)

    def forward(self, letters):
        x = self.norm(self.letter(letters) + self.place(np.arange(letters.shape[-1])))
        return self.head(self.block(x))


def loss_on(model: Module, names: np.ndarray):
    """The mean loss of each name's letters and of the dot that ends it; what follows does not count."""
    letters, following = names[:, :-1], names[:, 1:]
    counts = (letters > 0) | (np.arange(PLACES) == 0)
    return cross_entropy(model(letters)[counts], following[counts])


def train(model: Module, names: np.ndarray, held_back: np.ndarray, epochs: int, seed: int) -> list[float]:
    """The loss on the names held back, before training and after each epoch."""
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=epochs)
    batches = Batches(names, batch_size=32, seed=seed)
    losses = []
    for epoch in range(epochs + 1):
        with no_grad():
            losses.append(loss_on(model, held_back).item())
        if epoch < epochs:
            for (some,) in batches:
                optimizer.zero_grad()
                loss_on(model, some).backward(retain_graph=False)
                optimizer.step()
            schedule.step()
    return losses


def sample(model: Module, count: int, rng: np.random.Generator) -> list[str]:
    """New names, all written at once, letter by letter, each drawn by its probability."""
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
    held_back, names = names[:500], names[500:]
    known = {"".join(LETTERS[i] for i in name).strip(".") for name in names}
    figure, (pairs, curves) = demo.figure(1, 2, size=(11, 4.8))
    rows, told, writing = [], [], {}
    for name, build, paint in (("bigram", Bigram, ORANGE), ("perceptron", Perceptron, GREEN), ("GPT", GPT, BLUE)):
        model = build()
        losses = train(model, names, held_back, demo.pick(10, 1), demo.seed)
        writing[name] = sample(model, 400, np.random.default_rng(demo.seed))
        copied = np.mean([word in known for word in writing[name]])
        weights = sum(p.size for p in model.parameters())
        rows.append([name, f"{weights:,}", losses[-1], np.exp(losses[-1]), f"{copied:.0%}"])
        told.append(f"{np.exp(losses[-1]):.1f} with the {name}")
        curves.plot(losses, "o-", ms=4, color=paint, label=f"{name} {losses[-1]:.2f}")
        if name == "bigram":
            pairs.imshow(softmax(model.weight).data, cmap=LinearSegmentedColormap.from_list("p", [f"{ORANGE}00", ORANGE]), vmax=0.4)
    demo.table(["model", "weights", "loss", "unsure as among", "copied"], rows)
    print("made up, and not in the list:")
    fresh = {name: [word for word in dict.fromkeys(words) if word and word not in known] for name, words in writing.items()}
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
        f"About the next letter they are as unsure as among {', '.join(told)}; without a model, {len(LETTERS)}.\n"
        f"The GPT writes {', '.join(fresh['GPT'][:6])}; the bigram {', '.join(fresh['bigram'][:6])}."
    )
