"""Checkpoints: a run on disk, whole or not at all, from which it goes on to the bit.

    save("run.safetensors", model=model, optimizer=optimizer, rng=rng, epoch=3)
    epoch = load("run.safetensors", model=model, optimizer=optimizer, rng=rng)["epoch"]

The file is a safetensors file: its tensors are the arrays, under dotted names (`model.0.weight`), and any
program that reads the format can read them.  What is not an array stands as JSON in its metadata.
Nothing in it is ever executed.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from engine.files import replacing

from ._extras import require

__all__ = ["load", "save"]

TENSOR = "$tensor"  # in the JSON, {"$tensor": name} stands for an array


def save(path: str | os.PathLike[str], **parts: Any) -> None:
    """Write the parts to a file, which at every moment holds either the old checkpoint or the new one.

    Args:
        path: the file; one that exists is replaced.
        parts: under names of their own: models, optimisers, schedules, `Batches` and whatever else has
            `state_dict()`; NumPy Generators; Python's `random` module or a `random.Random`; plain data,
            that is numbers, strings, arrays, and lists and dicts of such.

    Raises:
        TypeError: a part is none of these.
        ModuleNotFoundError: safetensors is missing.
    """
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    tree = {name: _encode(_state(part), name, tensors) for name, part in parts.items()}
    content = require("safetensors.numpy", "nn").save(tensors, {"chainrule": json.dumps(tree)})
    with replacing(path) as file:
        file.write(content)


def load(path: str | os.PathLike[str], **parts: Any) -> dict[str, Any]:
    """Put the saved state into the parts given; return what else is in the file, plain data as it was.

    A part that is saved but not given comes back as its plain state, so that weights can be read alone:
    `model.load_state_dict(load("run.safetensors")["model"])`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint, holds no part of a given name, or a part's state doesn't fit.
        ModuleNotFoundError: safetensors is missing.
    """
    library = require("safetensors", "nn")
    try:
        with library.safe_open(os.fspath(path), "np") as file:
            tree = (file.metadata() or {}).get("chainrule")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
    except library.SafetensorError as error:
        raise ValueError(f"{path} is not a checkpoint: {error}") from error
    if tree is None:
        raise ValueError(f"{path} is a safetensors file, but not a checkpoint; safetensors.numpy.load_file reads its tensors")
    saved = {name: _decode(node, tensors) for name, node in json.loads(tree).items()}
    if absent := parts.keys() - saved.keys():
        raise ValueError(f"{path} holds {', '.join(saved)}, and nothing named {', '.join(sorted(absent))}")
    for name, part in parts.items():
        _restore(part, saved.pop(name), name)
    return saved


# ── what a part is, as plain data ─────────────────────────────────────────────


def _state(part: Any) -> Any:
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    if hasattr(part, "getstate"):  # Python's random
        return part.getstate()
    return part.state_dict() if hasattr(part, "state_dict") else part


def _restore(part: Any, state: Any, name: str) -> None:
    if isinstance(part, np.random.Generator):
        part.bit_generator.state = state
    elif hasattr(part, "setstate"):
        version, numbers, gauss = state
        part.setstate((version, tuple(numbers), gauss))
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    else:
        raise TypeError(f"{name} is plain data, which load() returns: leave it out of the call and take it from the result")


def _encode(tree: Any, name: str, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The tree for JSON, its arrays moved to `tensors`."""
    if isinstance(tree, (np.ndarray, np.generic)):
        if name in tensors:
            raise ValueError(f"two arrays would have the name {name!r}")
        if tree.dtype.kind not in "fiub":
            raise TypeError(f"{name} is an array of {tree.dtype}; arrays of numbers and booleans can be saved")
        tensors[name] = np.array(tree, order="C")
        return {TENSOR: name}
    if isinstance(tree, dict):
        for key in tree:
            if not isinstance(key, str) or key == TENSOR:
                raise TypeError(f"{name}: the keys of a saved dict are strings (other than {TENSOR!r}), not {key!r}")
        return {key: _encode(entry, f"{name}.{key}", tensors) for key, entry in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_encode(entry, f"{name}.{i}", tensors) for i, entry in enumerate(tree)]
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    raise TypeError(f"{name} is a {type(tree).__name__}, which cannot be saved; give it a state_dict(), or save plain data")


def _decode(tree: Any, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(tree, dict):
        if tree.keys() == {TENSOR}:
            return tensors[tree[TENSOR]][()]  # a 0-d array is a NumPy scalar again
        return {key: _decode(entry, tensors) for key, entry in tree.items()}
    return [_decode(entry, tensors) for entry in tree] if isinstance(tree, list) else tree
