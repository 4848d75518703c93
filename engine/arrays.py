"""Numbers as a Value keeps them: floats, in memory of its own, and fingerprints of the arrays that a user can write to."""

from __future__ import annotations

import sys
from typing import Any
from weakref import getweakrefcount

import numpy as np

from .node import Node, describe, next_id, operands

__all__ = ["ASSIGNED", "as_stored", "copy_as_float", "fingerprint", "is_view", "read_only", "source", "to_update", "was_written"]


def as_stored(data: Any) -> Any:
    """A result as a Value keeps it: a float64 scalar as a Python float, any other scalar as NumPy's."""
    if type(data) is np.ndarray:
        if data.ndim:
            return data
        data = data[()]
    return float(data) if type(data) is np.float64 else data


def copy_as_float(data: Any, dtype: Any = None) -> Any:
    """A copy of data that the user gave, of a floating dtype; integers and booleans become float64.

    Raises:
        TypeError: the data holds Values, or is not real.
    """
    if type(data) is float and dtype is None:
        return data
    if isinstance(data, Node):
        raise TypeError(f"{describe(data)} is a Value already; use it, or .data for its numbers")
    array = np.array(data, dtype)  # Values in a list raise TypeError here (Operators.__array__)
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise TypeError(f"a Value holds real numbers, not {array.dtype}; pass floats, or an array of a floating dtype")
    return as_stored(array)


def source(node: Node) -> Node:
    """The leaf whose memory the data of a node is a view of; the node itself where there is none."""
    start = node
    while node._primitive is not None and type(data := node._data) is np.ndarray:
        owner = data if data.base is None else data.base
        shared = (o for o in operands(node) if type(o) is not float and (o._data is owner or getattr(o._data, "base", None) is owner))
        if (node := next(shared, start)) is start:
            break
    return node


def read_only(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A view that cannot be written to."""
    view = data.view()
    view.flags.writeable = False
    return view


def is_view(data: Any) -> bool:
    """Whether the data is an array in the memory of another."""
    return type(data) is np.ndarray and data.base is not None


ASSIGNED = -1  # in place of a fingerprint (no hash is -1): nothing has used the array since it was assigned, so no node can be wrong
_holders = getattr(sys, "getrefcount", lambda _: 3)


def was_written(node: Node) -> bool:
    """Whether the user wrote to a leaf's array since its fingerprint was taken.

    If not, and nobody else holds the array any more, nobody can write to it either, and it needs no fingerprint.
    """
    known = node._fingerprint
    if known is None:
        return False
    if known != ASSIGNED and known != fingerprint(node._data):
        return True
    node._fingerprint = None
    # 2: the node, and the argument here.  A view writes to the memory of an array that this count does not know.
    if _holders(node._data) > 2 or node._data.base is not None or getweakrefcount(node._data):
        node._fingerprint = fingerprint(node._data) if known == ASSIGNED else known
    return False


def to_update(leaf: Node) -> Any:
    """The data of a leaf that is about to be changed in place: the leaf counts as assigned from now on, so it needs no fingerprint."""
    if type(leaf._data) is np.ndarray:
        leaf._fingerprint, leaf._id = ASSIGNED, next_id()
    return leaf._data


def fingerprint(data: np.ndarray[Any, Any]) -> int:
    """A hash of an array: of all bytes of a small one, of a sample and of sums of the bits of a large one.

    The bits are written in rows of 257.  The sum of each column notices that an element changed.  The weighted sum of
    each row notices that elements traded places; it leaves out the last bits, so that the sign is not the first one:
    modulo 2**64 two first bits add up to nothing, whatever their weights.
    """
    if data.size <= 1024:
        return hash(data.tobytes())
    flat = np.ascontiguousarray(data).reshape(-1)
    if flat.itemsize == 2:
        flat = flat.astype(np.float32)
    bits: Any = flat.view(np.uint32 if flat.itemsize == 4 else np.uint64)
    whole = bits.size // 257 * 257
    rows = bits[:whole].reshape(-1, 257)
    places = np.einsum("rc,c->r", rows >> 10, _WEIGHTS.astype(bits.dtype))
    return hash((np.add.reduce(rows).tobytes(), places.tobytes(), bits[whole:].tobytes(), flat[:: flat.size // 256].tobytes()))


_COLUMN = np.arange(257, dtype=np.uint64)
_WEIGHTS = (2 * _COLUMN + 1) * np.uint64(0x9E3779B97F4A7C15) + (_COLUMN**3 << 20)  # odd, no two alike, not evenly spaced

# glibc gives the memory of a freed array back to the system and faults it in again at the next step, until a block of the
# size has been freed once: from then on it keeps blocks up to that size, 32 MiB at most.  This one is never touched.
np.empty((32 << 20) - (64 << 10), np.uint8)
