"""Checkpoints: the state of a training run in a file, from which the run goes on with the same numbers, bit for bit.

    save("run.safetensors", model=model, optimizer=optimizer, rng=rng, epoch=3)
    epoch = load("run.safetensors", model=model, optimizer=optimizer, rng=rng)["epoch"]

The file is in the safetensors format (https://huggingface.co/docs/safetensors).  Its tensors are the arrays, under
dotted names such as `model.0.weight`; any program that knows the format can read them.  Everything else is
JSON in the metadata of the file.  Loading never executes anything from the file.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from engine.files import replacing

from ._extras import require

__all__ = ["load", "save"]

TENSOR = "$tensor"  # in the JSON, {"$tensor": name} takes the place of an array


def save(path: str | os.PathLike[str], **parts: Any) -> None:
    """Write the parts to a file.  At every moment the file is either the whole old checkpoint or the whole new one.

    Args:
        path: the file; an existing file is replaced.
        parts: what to save, each part under a name: models, optimisers, schedules, `Batches` and other objects
            with `state_dict()`; NumPy Generators; Python's `random` module or a `random.Random`; and plain data,
            which is None, booleans, numbers, strings, arrays, and lists and dicts of these.

    Raises:
        TypeError: a part is none of these, a key of a dict is not a string, or an array does not contain numbers.
        ValueError: two arrays would have the same dotted name.
        OSError: the file cannot be written; the old file is still there.
        ModuleNotFoundError: safetensors is missing.
    """
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    tree = {name: _encode(_state(part), name, tensors) for name, part in parts.items()}
    content = require("safetensors.numpy", "nn").save(tensors, {"chainrule": json.dumps(tree)})
    with replacing(path) as file:
        file.write(content)


def load(path: str | os.PathLike[str], **parts: Any) -> dict[str, Any]:
    """Restore the given parts from a file; return everything else in the file, by name.

    Plain data is returned as it was saved.  A saved part that is not given is returned as its state, so weights
    can be read alone: `model.load_state_dict(load("run.safetensors")["model"])`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not a checkpoint, has no part of a given name, or has a state that does not fit its
            part; no part was changed.
        TypeError: a given part is plain data; no part was changed.
        ModuleNotFoundError: safetensors is missing.
    """
    library = require("safetensors", "nn")
    try:
        with library.safe_open(os.fspath(path), "np") as file:
            tree = (file.metadata() or {}).get("chainrule")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, the file is not a dict
        saved = None if tree is None else {name: _decode(node, tensors) for name, node in json.loads(tree).items()}
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # of the library or of json, whose errors have no common base
        raise ValueError(f"{path} is not a checkpoint, or a damaged one: {error}") from error
    if saved is None:
        raise ValueError(f"{path} is a safetensors file, but not a checkpoint; read its tensors with safetensors.numpy.load_file")
    if absent := parts.keys() - saved.keys():
        raise ValueError(f"{path} contains {', '.join(saved)}, and nothing named {', '.join(sorted(absent))}")
    before = {name: _state(part) for name, part in parts.items()}
    for name, part in parts.items():
        try:
            _restore(part, saved.pop(name), name)
        except Exception as error:
            for changed, old in before.items():
                if changed == name:
                    break
                _restore(parts[changed], old, changed)
            if isinstance(error, TypeError) and not hasattr(part, "load_state_dict"):
                raise
            raise ValueError(f"{path}: the state of {name} does not fit: {error}") from error
    return saved


# ── a part and its state ──────────────────────────────────────────────────────


def _state(part: Any) -> Any:
    """The state of a part, as plain data."""
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    if hasattr(part, "getstate"):  # Python's random
        return part.getstate()
    return part.state_dict() if hasattr(part, "state_dict") else part


def _restore(part: Any, state: Any, name: str) -> None:
    """Set the state of a part."""
    if isinstance(part, np.random.Generator):
        part.bit_generator.state = state
    elif hasattr(part, "setstate"):
        version, numbers, gauss = state
        part.setstate((version, tuple(numbers), gauss))
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    else:
        raise TypeError(f"{name} is plain data, which load() returns: do not pass it, and take it from the result")


# ── plain data as JSON and tensors ────────────────────────────────────────────


def _encode(tree: Any, name: str, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The data for JSON; its arrays are moved to `tensors`, under their dotted names."""
    if isinstance(tree, (np.ndarray, np.generic)):
        if name in tensors:
            raise ValueError(f"two arrays would have the same name {name!r}; rename one of the keys")
        if tree.dtype.kind not in "fiub":
            raise TypeError(f"{name} is an array of {tree.dtype}; only arrays of real numbers and booleans can be saved")
        tensors[name] = np.array(tree, order="C")
        return {TENSOR: name}
    if isinstance(tree, dict):
        for key in tree:
            if not isinstance(key, str) or key == TENSOR:
                raise TypeError(f"{name}: the keys of a saved dict must be strings (other than {TENSOR!r}), not {key!r}")
        return {key: _encode(entry, f"{name}.{key}", tensors) for key, entry in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_encode(entry, f"{name}.{i}", tensors) for i, entry in enumerate(tree)]
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    raise TypeError(f"{name} is a {type(tree).__name__}, which cannot be saved; give it a state_dict(), or save plain data")


def _decode(tree: Any, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The inverse of `_encode`."""
    if isinstance(tree, dict):
        if tree.keys() == {TENSOR}:
            return tensors[tree[TENSOR]][()]  # [()] makes an array without axes a NumPy scalar again
        return {key: _decode(entry, tensors) for key, entry in tree.items()}
    return [_decode(entry, tensors) for entry in tree] if isinstance(tree, list) else tree
