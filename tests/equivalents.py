"""Mutants that change nothing a user can see: `tests.mutants` leaves them out of its score.

An entry quotes the mutant as the tool prints it.  "*" as the mutated text stands for every mutant of that
original text in that function.  An entry that fits no mutant any more is reported, and is to be taken out.
"""

from __future__ import annotations

from typing import NamedTuple


class Equivalent(NamedTuple):
    file: str
    function: str
    original: str
    mutated: str
    reason: str


EQUIVALENT: list[Equivalent] = [
    Equivalent(*entry)
    for entry in (
        # The core: Value, operators, fast path, nodes
        ("engine/value.py", "record", "if type(arg) is not float:", "if True:", "_constant gives a float back as it is"),
        (
            "engine/value.py",
            "record",
            "result = primitive.forward(*data, **params) if params else primitive.forward(*data)",
            "result = primitive.forward(*data, **params) if True else primitive.forward(*data)",
            "no parameters are an empty dict",
        ),
        (
            "engine/value.py",
            "record",
            "if type(result) is not np.ndarray or not result.ndim:",
            "if True:",
            "as_stored gives an array back as it is",
        ),
        ("engine/value.py", "record", "frame = _frame(1)", "frame = _frame(2)", "frame 1 is always the primitive's, which is passed over"),
        (
            "engine/value.py",
            "Value.__init__",
            "self._data = data if type(data) is float and dtype is None else copy_as_float(data, dtype)",
            "self._data = data if False else copy_as_float(data, dtype)",
            "speed only: copy_as_float gives a float back as it is",
        ),
        ("engine/value.py", "Value.__init__", "if label:", "if True:", "an empty label is not stored"),
        (
            "engine/value.py",
            "Value.data",
            "if type(new) is float and type(self._data) is float and (self._primitive is None):",
            "if False:",
            "speed only: the same for one number, written out",
        ),
        (
            "engine/value.py",
            "Value.backward",
            "if type(seed) is not float or type(self._data) is not float:",
            "if True:",
            "speed only: a float seed becomes the same float",
        ),
        (
            "engine/value.py",
            "_constant",
            "if isinstance(data, (bool, int, np.bool_, np.integer, np.float64)):",
            "if False:",
            "speed only: copy_as_float makes the same float of a number",
        ),
        (
            "engine/value.py",
            "_constant",
            "stored = data.copy() if data.size <= 8192 else data",
            "stored = data.copy() if data.size < 8192 else data",
            "where copying becomes dearer than watching is a matter of speed",
        ),
        (
            "engine/value.py",
            "_constant",
            "stored = data.copy() if data.size <= 8192 else data",
            "stored = data.copy() if data.size <= 8193 else data",
            "where copying becomes dearer than watching is a matter of speed",
        ),
        (
            "engine/value.py",
            "_constant",
            "constant = Value(0.0, requires_grad=False)",
            "constant = Value(1.0, requires_grad=False)",
            "the next line puts the array in its place",
        ),
        ("engine/node.py", "Node.label", "if label:", "if True:", "memory only: an entry of no label reads as no entry"),
        ("engine/node.py", "<module>", "N = TypeVar('N', bound=Node)", "N = TypeVar('N')", "for the type checker only"),
        (
            "engine/node.py",
            "reachable",
            "assigned = assigned or operand._id > node._id",
            "assigned = assigned or operand._id >= node._id",
            "no two nodes have the same age",
        ),
        (
            "engine/arrays.py",
            "copy_as_float",
            "if type(data) is float and dtype is None:",
            "if False:",
            "speed only: the lines below make the same float",
        ),
        (
            "engine/arrays.py",
            "fingerprint",
            "if data.size <= 1024:",
            "if data.size < 1024:",
            "which arrays are sampled is a matter of speed",
        ),
        ("engine/arrays.py", "fingerprint", "if data.size <= 1024:", "if True:", "speed only: a hash of all bytes sees every change"),
        (
            "engine/arrays.py",
            "fingerprint",
            "if data.size <= 1024:",
            "if data.size <= 1025:",
            "which arrays are sampled is a matter of speed",
        ),
        (
            "engine/arrays.py",
            "fingerprint",
            "flat = np.ascontiguousarray(data).reshape(-1)",
            "flat = np.ascontiguousarray(data).reshape(-2)",
            "NumPy takes any negative length as the one to find out",
        ),
        (
            "engine/arrays.py",
            "fingerprint",
            "sums = np.add.reduce(bits[:whole].reshape(-1, 257))",
            "sums = np.add.reduce(bits[:whole].reshape(-2, 257))",
            "NumPy takes any negative length as the one to find out",
        ),
        (
            "engine/arrays.py",
            "fingerprint",
            "whole = bits.size // 257 * 257",
            "whole = bits.size // 258 * 257",
            "what no column holds is hashed byte by byte",
        ),
        (
            "engine/arrays.py",
            "fingerprint",
            "return hash((sums.tobytes(), bits[whole:].tobytes(), flat[::flat.size // 256].tobytes()))",
            "return hash((sums.tobytes(), bits[whole:].tobytes(), flat[::flat.size // 257].tobytes()))",
            "another sample, as large",
        ),
        (
            "engine/fast.py",
            "binary.operator",
            "if of_other is kind or issubclass(of_other, kind):",
            "if of_other is kind and issubclass(of_other, kind):",
            "speed only: the plain definition does the same",
        ),
        (
            "engine/fast.py",
            "binary.operator",
            "if of_other is kind or issubclass(of_other, kind):",
            "if False:",
            "speed only: the plain definition does the same",
        ),
        ("engine/fast.py", "binary.operator", "if of_other is float:", "if False:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if of_other is int:", "if False:", "speed only: the plain definition does the same"),
        (
            "engine/fast.py",
            "binary.operator",
            "if of_other is np.ndarray and other.ndim:",
            "if False:",
            "speed only: the plain definition does the same",
        ),
        ("engine/fast.py", "binary.operator", "if modes.active:", "if True:", "speed only: the plain definition does the same"),
        (
            "engine/fast.py",
            "binary.operator",
            "if type(x) is float and type(y) is float:",
            "if False:",
            "speed only: NumPy's + - * / ** of two floats are Python's",
        ),
        (
            "engine/fast.py",
            "binary.operator",
            "self._primitive is None and self._fingerprint is not None or (type(other) is not float and of_other is not np.ndarray "
            "and (other._primitive is None) and (other._fingerprint is not None))",
            "True",
            "speed only: the plain definition does the same",
        ),
        (
            "engine/fast.py",
            "binary.operator",
            "type(other) is not float and of_other is not np.ndarray and (other._primitive is None) and (other._fingerprint is not None)",
            "type(other) is not float or of_other is not np.ndarray or other._primitive is None or (other._fingerprint is not None)",
            "speed only: the plain definition does the same",
        ),
        ("engine/fast.py", "binary.operator", "if type(result) is not float:", "if True:", "as_stored gives a float back as it is"),
        ("engine/fast.py", "binary.operator", "if type(result) is complex:", "if True:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if type(result) is not np.ndarray:", "if True:", "as_stored gives an array back as it is"),
        (
            "engine/fast.py",
            "unary.method",
            "if args or params or modes.active:",
            "if True:",
            "speed only: the plain definition does the same",
        ),
        (
            "engine/fast.py",
            "unary.method",
            "if self._primitive is None and self._fingerprint is not None:",
            "if True:",
            "speed only: the plain definition does the same",
        ),
        (
            "engine/fast.py",
            "unary.method",
            "if type(result) is not float and (type(result) is not np.ndarray or not result.ndim):",
            "if type(result) is not float or (type(result) is not np.ndarray or not result.ndim):",
            "as_stored gives an array back as it is",
        ),
        (
            "engine/fast.py",
            "unary.method",
            "if type(result) is not float and (type(result) is not np.ndarray or not result.ndim):",
            "if True:",
            "as_stored gives floats and arrays back as they are",
        ),
        (
            "engine/fast.py",
            "unary.method",
            "if type(result) is not float and (type(result) is not np.ndarray or not result.ndim):",
            "if type(result) is not float and (type(result) is np.ndarray or not result.ndim):",
            "as_stored gives an array back as it is",
        ),
        (
            "engine/fast.py",
            "push_scalar",
            "if type(x) is tuple or x._id > born or (not x.requires_grad):",
            "if True:",
            "speed only: the pass falls back on its definition",
        ),
        (
            "engine/fast.py",
            "push_scalar",
            "if type(x) is tuple or x._id > born or (not x.requires_grad):",
            "if type(x) is tuple or x._id >= born or (not x.requires_grad):",
            "no two nodes have the same age",
        ),
        ("engine/fast.py", "push_scalar", "if x._id > born:", "if x._id >= born:", "no two nodes have the same age"),
        ("engine/fast.py", "push_scalar", "if y._id > born:", "if y._id >= born:", "no two nodes have the same age"),
        ("engine/fast.py", "push_scalar", "if x._id > born:", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "if y._id > born:", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "if type(to_x) is not float:", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "if type(to_y) is not float:", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "return False", "return None", "None is as false as False"),
        ("engine/fast.py", "push_scalar", "if x_wanted:", "if True:", "speed only: what is computed here is not added below"),
        ("engine/fast.py", "push_scalar", "if y_wanted:", "if True:", "speed only: what is computed here is not added below"),
        # The core: chain rule, calculus, rule table, modes, files, trees
        # engine/show
        # engine/prove
        # engine/command
        # nn
    )
]
