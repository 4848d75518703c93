"""`fit`: the training loop, with what one writes around it again and again.

history = fit(model, cross_entropy, optimizer, Batches(x, y), epochs=20,
              validation=Batches(x_val, y_val, shuffle=False), metric=accuracy, patience=3)
history.plot()
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
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
    """What happened: one entry per epoch in each list."""

    train: list[float] = field(default_factory=list)  # mean loss over the epoch's examples, while learning
    validation: list[float] = field(default_factory=list)  # loss after the epoch; empty without validation data
    metric: list[float] = field(default_factory=list)  # after the epoch; empty without a metric
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    metric_name: str = "metric"
    stopped: str = ""  # why before the last epoch: "early", "interrupted", or ""

    @property
    def best(self) -> int:
        """The epoch, from 1, with the lowest validation loss (training loss without validation); 0 before any."""
        losses = self.validation or self.train
        return losses.index(min(losses)) + 1 if losses else 0

    def __len__(self) -> int:
        return len(self.train)

    def is_stale(self, patience: int | None) -> bool:
        """Whether that many epochs have passed since the best one."""
        return patience is not None and self.best > 0 and len(self) - self.best >= patience

    def last(self) -> str:
        """The last epoch in a few words."""
        lists = {"loss": self.train, "validation": self.validation, self.metric_name: self.metric}
        return " · ".join(f"{name} {entries[-1]:.4g}" for name, entries in lists.items() if entries)

    def __repr__(self) -> str:
        stopped = f", stopped: {self.stopped}" if self.stopped else ""
        return f"History(epochs={len(self)}, {self.last()}, best epoch: {self.best}{stopped})"

    def plot(self) -> Figure:
        """The losses over the epochs, the best epoch marked, and the metric below: a matplotlib Figure."""
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
        """Its lists, for a checkpoint."""
        return {name: list(getattr(self, name)) for name in ("train", "validation", "metric", "lr", "seconds")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
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
    """Train a model, and return what happened.

    After Ctrl-C, and with `patience`, the model has the weights of its best epoch; otherwise the last ones.

    Args:
        model: called on a batch's inputs.
        loss: loss(prediction, target), a scalar Value; add penalties on the weights in it.
        optimizer: over the model's parameters.
        train: batches (x, y), or (x1, x2, ..., y), anew at each iteration: `Batches`, or a list.
        epochs: how many times to go through them, those of a resumed checkpoint included.
        validation: batches to take the loss on after every epoch, in evaluation mode.
        metric: metric(prediction, target) → float, on the validation batches (else on the training ones).
        schedule: moved on after every epoch.
        max_norm: clip the gradient to this norm.
        patience: stop when this many epochs have brought no lower loss.
        checkpoint: a file that is written after every epoch; where it exists, training goes on from it,
            with the bits that it would have had without the pause.
        progress: show a progress bar.

    Raises:
        ValueError: train gave no batch, patience is below 1, or the checkpoint is one of another model.
        FloatingPointError: the loss or a gradient became NaN or infinite.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if patience is not None and patience < 1:
        raise ValueError(f"patience={patience}: it counts epochs, and is at least 1")
    history = History(metric_name=getattr(metric, "__name__", "metric"))
    best, mode = {}, model.training
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "history": history, "random": random, "nn": as_generator()}
    parts |= {f"generator.{name}": generator for name, generator in _generators(model)}
    others = {"schedule": schedule, "train": train, "validation": validation}
    parts |= {name: part for name, part in others.items() if hasattr(part, "state_dict")}
    if checkpoint and os.path.exists(checkpoint):
        best = checkpoints.load(checkpoint, **parts)["best"]

    columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task(history.last(), total=epochs, completed=len(history))
        try:
            while len(history) < epochs and not history.is_stale(patience):
                began = time.perf_counter()
                mean = _epoch(model.train(), loss, optimizer, train, max_norm)
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
                if history.best == len(history):
                    best = model.state_dict()
                if schedule:
                    schedule.step()
                if checkpoint:
                    checkpoints.save(checkpoint, **parts, best=best)
                bar.update(task, completed=len(history), description=history.last())
            history.stopped = "early" if len(history) < epochs else ""
        except KeyboardInterrupt:
            history.stopped = "interrupted"
            bar.update(task, description=f"stopped by Ctrl-C; keeping the weights of epoch {history.best}" if best else "stopped by Ctrl-C")
        finally:
            model.train(mode)
    if best and (history.stopped or patience):
        model.load_state_dict(best)
    return history


def evaluate(model: Module, loss: Loss, batches: Iterable[Any], metric: Metric | None = None) -> dict[str, float]:
    """The mean "loss" over the examples of the batches, and the mean "metric" if one is given; nothing is learned.

    The model is in evaluation mode meanwhile, and nothing is recorded.
    """
    mode, total, score, count = model.training, 0.0, 0.0, 0
    model.eval()
    try:
        with no_grad():
            for *inputs, target in batches:
                prediction, n = model(*inputs), len(target)
                total += n * loss(prediction, target).item()
                score += n * metric(prediction, target) if metric else 0.0
                count += n
    finally:
        model.train(mode)
    if not count:
        raise ValueError(NO_BATCH)
    return {"loss": total / count} | ({"metric": score / count} if metric else {})


def accuracy(prediction: Any, target: Any) -> float:
    """The fraction of examples whose largest score, along the last axis, is at the index in target."""
    return float(np.mean(np.argmax(prediction.data if isinstance(prediction, Value) else prediction, -1) == target))


def _epoch(model: Module, loss: Loss, optimizer: Optimizer, batches: Iterable[Any], max_norm: float | None) -> float:
    """One pass over the batches; the mean loss of their examples."""
    total, count = 0.0, 0
    for *inputs, target in batches:
        optimizer.zero_grad()
        value = loss(model(*inputs), target)
        if not math.isfinite(value.item()):
            raise FloatingPointError(
                f"the loss became {value.item()}; lower the learning rate ({optimizer.lr}), clip the gradient (max_norm=), "
                "or look for its origin under engine.detect_anomaly()"
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


NO_BATCH = "there was no batch; pass Batches(x, y) or a list of (x, y): an iterator runs dry after one epoch"


def _generators(model: Module) -> Iterator[tuple[str, np.random.Generator]]:
    """The generators that modules, such as Dropout, hold for themselves."""
    for name, module in model.named_modules():
        for attribute, thing in vars(module).items():
            if isinstance(thing, np.random.Generator):
                yield f"{name}.{attribute}", thing
