"""The training loop: `fit`, with validation, early stopping, checkpoints and a progress bar; and `evaluate`.

history = fit(model, cross_entropy, optimizer, Batches(x, y), epochs=20,
              validation=Batches(x_val, y_val, shuffle=False), metric=accuracy, patience=3)
history.plot()
"""

from __future__ import annotations

import math
import os
import random
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import Value, no_grad

from . import checkpoint as checkpoints
from ._extras import require
from .init import as_generator
from .module import Module
from .optim import Optimizer, Schedule, clip_grad_norm_

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["History", "accuracy", "evaluate", "fit"]

Loss = Callable[[Any, Any], Value]
Metric = Callable[[Any, Any], float]


@dataclass(repr=False)
class History:
    """The measurements of a training run: each list has one entry per epoch.

    Attributes:
        train: the mean loss of the examples during the epoch.
        validation: the mean loss on the validation data after the epoch; empty without validation data.
        metric: the metric after the epoch; empty without a metric.
        lr: the learning rate of the epoch.
        seconds: the time that the epoch took.
        metric_name: the name of the metric.
        stopped: why training ended before the last epoch: "early", "interrupted", or "" if it did not.
    """

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    metric: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    metric_name: str = "metric"
    stopped: str = ""

    @property
    def best(self) -> int:
        """The number of the epoch, from 1, with the lowest loss (validation loss if there is one); 0 if there is none that is not NaN."""
        losses = self.validation or self.train
        finite = [loss for loss in losses if loss == loss]
        return losses.index(min(finite)) + 1 if finite else 0

    def __len__(self) -> int:
        return len(self.train)

    def is_stale(self, patience: int | None) -> bool:
        """Whether at least `patience` epochs have passed since the best one; never for None."""
        return patience is not None and len(self) - self.best >= patience

    def last(self) -> str:
        """The losses and the metric of the last epoch as text."""
        lists = {"loss": self.train, "validation": self.validation, self.metric_name: self.metric}
        return " · ".join(f"{name} {entries[-1]:.4g}" for name, entries in lists.items() if entries)

    def __repr__(self) -> str:
        stopped = f"stopped: {self.stopped}" if self.stopped else ""
        return f"History({', '.join(filter(None, [f'epochs={len(self)}', self.last(), f'best epoch: {self.best}', stopped]))})"

    def plot(self) -> Figure:
        """A matplotlib Figure: the losses by epoch, with the best epoch marked, and the metric below.

        Raises:
            ModuleNotFoundError: matplotlib is missing.
        """
        figure: Figure = require("matplotlib.figure", "demos").Figure(figsize=(6, 6 if self.metric else 3.6), layout="constrained")
        panels = figure.subplots(2 if self.metric else 1, 1, sharex=True, squeeze=False).ravel()
        epochs = range(1, len(self) + 1)
        panels[0].plot(epochs, self.train, label="training")
        if self.validation:
            panels[0].plot(epochs, self.validation, label="validation")
        if self.best:
            panels[0].axvline(self.best, color="grey", linewidth=0.8, linestyle=":", label=f"best: epoch {self.best}")
        panels[0].set(ylabel="loss")
        panels[0].legend(frameon=False)
        if self.metric:
            panels[1].plot(epochs, self.metric)
            panels[1].set(ylabel=self.metric_name)
        panels[-1].set(xlabel="epoch")
        panels[-1].xaxis.get_major_locator().set_params(integer=True)
        return figure

    def state_dict(self) -> dict[str, Any]:
        """Copies of the lists, for a checkpoint."""
        return {name: list(getattr(self, name)) for name in ("train", "validation", "metric", "lr", "seconds")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the lists to copies of those in a dict from `state_dict`."""
        for name, entries in state.items():
            setattr(self, name, list(entries))


def fit(
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    train: Iterable[Any],
    *,
    epochs: int,
    validation: Iterable[Any] | None = None,
    metric: Metric | None = None,
    schedule: Schedule | None = None,
    max_norm: float | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> History:
    """Train a model, and return the history of the run.

    At the end the model has its last weights; after Ctrl-C, and with `patience`, those of its best epoch.

    Args:
        model: called with the inputs of a batch.
        loss: loss(prediction, target), a scalar Value; it may include penalties on the weights.
        optimizer: an optimiser of the parameters of the model.
        train: the batches (x, y) or (x1, x2, ..., y) of one epoch, iterated once per epoch: `Batches`, or a list.
        epochs: the number of epochs, with those of a resumed checkpoint.
        validation: batches to measure the loss on after every epoch, in evaluation mode.
        metric: metric(prediction, target) → float, measured on the validation batches, or without them on `train`.
        schedule: a learning-rate schedule; its step() is called after every epoch.
        max_norm: clip the norm of the gradient to this number.
        patience: stop when the lowest loss is this many epochs old.
        checkpoint: a file that is written after every epoch.  If it exists already, training goes on from it, and
            gives the same numbers, bit for bit, as a run without the pause.
        progress: whether to show a progress bar.

    Raises:
        ValueError: `train` has no batch, patience is below 1, or the checkpoint belongs to another model.
        FileNotFoundError: the folder for the checkpoint does not exist.
        FloatingPointError: the loss or a gradient became NaN or infinite.
    """
    if patience is not None and patience < 1:
        raise ValueError(f"patience={patience}: it is a number of epochs, and must be at least 1")
    history = History(metric_name=getattr(metric, "__name__", "metric"))
    parts = _parts(model, optimizer, history, schedule, train, validation)
    if checkpoint:
        _check_resumable(checkpoint, train)
    best: dict[str, Any] = {}
    if checkpoint and os.path.exists(checkpoint):
        best = checkpoints.load(checkpoint, **parts)["best"]
    with _progress_bar(history, epochs, progress) as show, model.modes_kept():
        try:
            while len(history) < epochs and not history.is_stale(patience):
                _epoch(history, model, loss, optimizer, train, validation, metric, max_norm)
                if history.best == len(history):
                    best = model.state_dict()
                if schedule:
                    schedule.step()
                if checkpoint:
                    checkpoints.save(checkpoint, **parts, best=best)
                show(history.last())
            history.stopped = "early" if len(history) < epochs else ""
        except KeyboardInterrupt:
            history.stopped = "interrupted"
            show(f"stopped by Ctrl-C; keeping the weights of epoch {history.best}" if best else "stopped by Ctrl-C")
    if best and (history.stopped or patience):
        model.load_state_dict(best)
    return history


def evaluate(model: Module, loss: Loss, batches: Iterable[Any], metric: Metric | None = None) -> dict[str, float]:
    """The mean "loss" of the examples in the batches, and their mean "metric" if one is given.

    The model runs in evaluation mode and under `no_grad`; afterwards every Module in it is in the mode that it had before.

    Args:
        model, loss, metric: as for `fit`.
        batches: batches (x, y) or (x1, x2, ..., y).

    Raises:
        ValueError: there is no batch.
    """
    total, score, count = 0.0, 0.0, 0
    with model.modes_kept(), no_grad():
        model.eval()
        for *inputs, target in batches:
            prediction, n = model(*inputs), len(target)
            total += n * loss(prediction, target).item()
            score += n * metric(prediction, target) if metric else 0.0
            count += n
    if not count:
        raise ValueError(NO_BATCH)
    return {"loss": total / count} | ({"metric": score / count} if metric else {})


def accuracy(prediction: Any, target: Any) -> float:
    """The fraction of examples whose largest score, along the last axis, has the index in `target`.

    Shapes: prediction (*, classes), with at least two classes; target (*) of integers.

    Raises:
        TypeError: the targets are not integers.
        ValueError: the shapes do not fit together.
    """
    scores = np.asarray(prediction.data if isinstance(prediction, Value) else prediction)
    classes = np.asarray(target.data if isinstance(target, Value) else target)
    if not scores.ndim or scores.shape[-1] < 2 or classes.shape != scores.shape[:-1]:
        raise ValueError(
            f"accuracy: scores of shape (*, classes) need targets of shape (*), not {scores.shape} and {classes.shape}; "
            "for one score per example write np.mean((scores > 0) == targets), for one-hot targets pass targets.argmax(-1)"
        )
    if classes.dtype.kind not in "iu":
        raise TypeError(f"accuracy: targets must be class indices (integers), not {classes.dtype}")
    return float(np.mean(np.argmax(scores, -1) == classes))


# ── the pieces of `fit` ───────────────────────────────────────────────────────


NO_BATCH = "there was no batch; pass Batches(x, y) or a list of (x, y), because an iterator is empty after one epoch"


def _epoch(
    history: History,
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    train: Iterable[Any],
    validation: Iterable[Any] | None,
    metric: Metric | None,
    max_norm: float | None,
) -> None:
    """Train for one epoch, measure the model, and add the numbers to the history."""
    began = time.perf_counter()
    mean = _train(model.train(), loss, optimizer, train, max_norm)
    measured = {}
    if validation is not None or metric:
        measured = evaluate(model, loss, train if validation is None else validation, metric)
    history.train.append(mean)
    history.lr.append(optimizer.lr)
    if validation is not None:
        history.validation.append(measured["loss"])
    if metric:
        history.metric.append(measured["metric"])
    history.seconds.append(time.perf_counter() - began)


def _train(model: Module, loss: Loss, optimizer: Optimizer, batches: Iterable[Any], max_norm: float | None) -> float:
    """One optimiser step for every batch; the mean loss of the examples."""
    total, count = 0.0, 0
    for *inputs, target in batches:
        optimizer.zero_grad()
        value = loss(model(*inputs), target)
        if not math.isfinite(value.item()):
            raise FloatingPointError(
                f"the loss became {value.item()}; lower the learning rate ({optimizer.lr}), clip the gradient (max_norm=), "
                "or find the operation that made it under engine.detect_anomaly()"
            )
        value.backward(retain_graph=False)
        if max_norm is not None:
            clip_grad_norm_(optimizer.params, max_norm)
        optimizer.step()
        total += len(target) * value.item()
        count += len(target)
    if not count:
        raise ValueError(NO_BATCH)
    return total / count


def _check_resumable(checkpoint: str | os.PathLike[str], train: Iterable[Any]) -> None:
    """Tell before the first epoch what would go wrong with a checkpoint after it."""
    folder = os.path.dirname(os.path.realpath(checkpoint))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"the folder {folder} for the checkpoint does not exist")
    if not isinstance(train, (list, tuple)) and not hasattr(train, "state_dict"):
        warnings.warn(
            f"the training data is a {type(train).__name__} without state_dict(): if it has an order of its own, a run that goes on "
            "from the checkpoint sees other batches than one without a pause",
            stacklevel=3,
        )


def _parts(model: Module, optimizer: Optimizer, history: History, *others: Any) -> dict[str, Any]:
    """Everything that a checkpoint saves, by name; `others` are the schedule, the training and the validation batches."""
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "history": history, "random": random, "nn": as_generator()}
    parts |= {f"generator.{name}": generator for name, generator in _generators(model)}
    named = zip(("schedule", "train", "validation"), others, strict=True)
    return parts | {name: part for name, part in named if hasattr(part, "state_dict")}


def _generators(model: Module) -> Iterator[tuple[str, np.random.Generator]]:
    """The random generators in the attributes of the Modules, such as that of a Dropout."""
    for name, module in model.named_modules():
        for attribute, thing in vars(module).items():
            if isinstance(thing, np.random.Generator):
                yield f"{name}.{attribute}", thing


@contextmanager
def _progress_bar(history: History, epochs: int, visible: bool) -> Iterator[Callable[[str], None]]:
    """A progress bar over the epochs, as a function that updates it and shows a text."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, disable=not visible) as bar:
        task = bar.add_task(history.last(), total=epochs, completed=len(history))
        yield lambda text: bar.update(task, completed=len(history), description=text)
