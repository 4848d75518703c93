"""What becomes of the gradients when I change an expression, or one number in it?

A window: write an expression, give its variables numbers or lists, and press Compute.  Or press Step, and watch
the gradient pass back through the graph, one operation at a time, as one does it by hand.
"""

from __future__ import annotations

import numpy as np

from engine import Value, draw
from engine.backprop import contributions
from engine.command.expression import CONSTANTS, ExpressionError, parse
from engine.node import reachable
from engine.show.drawing import save
from engine.show.graph import Graph
from engine.show.notation import summary

try:
    import tkinter as tk
    from tkinter import ttk
except ImportError:
    raise SystemExit("the playground needs Tk, which this Python does not have (on Debian and Ubuntu: apt install python3-tk)") from None

EXPRESSION = "tanh(x1*w1 + x2*w2 + b)"
NUMBERS = {"x1": "2", "x2": "0", "w1": "-3", "w2": "1", "b": "6.8813735870195432"}
PAPER = "#ffffff"


class Playground:
    """The window.

    Attributes:
        root: the result that is shown, or None.
        waiting: the nodes that have not passed their gradient on yet, oldest first.
        leaves: the variables as Values, by name.
    """

    def __init__(self, window: tk.Tk, expression: str = EXPRESSION):
        self.window = window
        self.root: Value | None = None
        self.waiting: list[Value] = []
        self.leaves: dict[str, Value] = {}
        self.numbers: dict[str, tk.StringVar] = {}  # the text of the entries; kept when a variable leaves the expression
        self.gradients: dict[str, tk.StringVar] = {}
        self.expression, self.status = tk.StringVar(window, expression), tk.StringVar(window)

        window.title("chainrule playground")
        window.geometry("1100x680")
        window.configure(background=PAPER)
        ttk.Style(window).theme_use("clam")
        ttk.Style(window).configure(".", background=PAPER, font=("TkDefaultFont", 11))
        entry = ttk.Entry(window, textvariable=self.expression, font=("TkFixedFont", 14))
        entry.pack(fill="x", padx=12, pady=(12, 6))
        self.variables = ttk.Frame(window)
        self.variables.pack(fill="x", padx=12)
        bar = ttk.Frame(window)
        bar.pack(fill="x", padx=12, pady=8)
        self.buttons = {}
        for name, command in {"Compute": self.compute, "Step": self.step, "Quit": window.destroy}.items():
            self.buttons[name] = ttk.Button(bar, text=name, command=command)
            self.buttons[name].pack(side="left", padx=(0, 6))
        ttk.Label(window, textvariable=self.status, wraplength=1060).pack(fill="x", padx=12)
        self.canvas = tk.Canvas(window, background=PAPER, highlightthickness=0)
        self.canvas.pack(fill="both", expand=True)

        self.expression.trace_add("write", self.edited)
        window.bind("<Return>", lambda _: self.compute())
        window.bind("<Escape>", lambda _: window.destroy())
        self.canvas.bind("<Configure>", lambda _: self.show())
        self.edited()
        self.compute()

    def edited(self, *_: str) -> None:
        """The text has changed: show one entry for each variable, and drop the old result."""
        self.root = None
        for shown in self.gradients.values():
            shown.set("")
        try:
            names = [name for name in parse(self.expression.get()).names if name not in CONSTANTS]
        except ExpressionError as error:  # perhaps the user is still writing
            self.status.set(str(error))
            return
        self.status.set("Enter computes")
        if names == list(self.gradients):
            return
        for widget in self.variables.winfo_children():
            widget.destroy()
        self.gradients = {name: tk.StringVar(self.window) for name in names}
        for i, name in enumerate(names):
            if name not in self.numbers:
                self.numbers[name] = tk.StringVar(self.window, NUMBERS.get(name, "1"))
                self.numbers[name].trace_add("write", self.edited)
            box = ttk.Frame(self.variables)
            box.grid(row=i // 8, column=i % 8, padx=(0, 8))
            ttk.Label(box, text=name).pack(anchor="w")
            ttk.Entry(box, textvariable=self.numbers[name], width=13).pack()
            ttk.Label(box, textvariable=self.gradients[name]).pack(anchor="w")

    def number(self, name: str) -> float | np.ndarray:
        """The value in the entry of a variable: a number, a list of numbers, or an expression without variables."""
        try:
            return parse(self.numbers[name].get()).evaluate({})
        except ExpressionError as error:
            raise ValueError(f"{name}: {error}") from None

    def forward(self) -> bool:
        """Compute the result, and put all its nodes in `waiting`; False if there is an error, which the window then shows."""
        try:
            self.leaves = {name: Value(self.number(name), label=name) for name in self.gradients}
            root = parse(self.expression.get()).evaluate(self.leaves)
        except ValueError as error:
            self.status.set(str(error))
            return False
        if not isinstance(root, Value) or root.ndim:
            what = f"an array of shape {root.shape}; sum(...) makes it one number" if np.ndim(root) else "a constant"
            self.status.set(f"a backward pass starts from one number that depends on a variable, and this is {what}")
            return False
        root.label = root.label or "result"
        root.grad = 1.0
        self.root, self.waiting = root, [node for node in reachable([root]) if not node.is_leaf]
        self.names = {node.value: node.name for node in Graph(root).nodes}  # the names in the picture
        return True

    def back(self) -> str:
        """One operation passes its gradient on to its operands; returns a sentence about it."""
        node = self.waiting.pop()  # the youngest: all nodes that use it have passed their gradient on
        with np.errstate(all="ignore"):
            told = " and ".join(f"{summary(part)} to {self.names[operand]}" for operand, part in contributions(node, node.grad))
            node._backward()
        return f"{self.names[node]}, made by {node._op}, passes back {told}"

    def compute(self) -> None:
        """The forward pass and the whole backward pass."""
        if self.forward():
            while self.waiting:
                self.back()
            self.show(f"result {summary(self.root.data)}")

    def step(self) -> None:
        """The first time the forward pass; after that, one operation of the backward pass each time."""
        if self.root is not None and self.waiting:
            told = self.back()
            self.show(f"{told}; {len(self.waiting)} more" if self.waiting else f"{told}; done")
        elif self.forward():
            self.show(f"result {summary(self.root.data)}, gradient 1; {len(self.waiting)} steps back")

    def show(self, status: str = "") -> None:
        """Show the gradients, and the picture as large as fits into the window."""
        if self.root is None:
            return
        self.status.set(status or self.status.get())
        for name, leaf in self.leaves.items():
            self.gradients[name].set(f"gradient {summary(leaf.grad if leaf.has_grad else None)}")
        width, height = max(self.canvas.winfo_width(), 200), max(self.canvas.winfo_height(), 100)
        try:
            picture = draw(self.root)
        except ValueError as error:  # too many nodes to draw
            self.status.set(f"{self.status.get()}; {error}")
            return
        picture.graph_attr.update(dpi="96", size=f"{width / 96:.2f},{height / 96:.2f}")
        self.image = tk.PhotoImage(master=self.window, data=picture.pipe(format="png"))
        self.canvas.delete("all")
        self.canvas.create_image(width // 2, height // 2, image=self.image)


def add_arguments(parser) -> None:
    parser.add_argument("--expression", default=EXPRESSION, help=f"the first expression (default {EXPRESSION})")


def run(demo) -> str:
    try:
        window = tk.Tk()
    except tk.TclError as error:
        raise SystemExit(f"the playground needs a display for its window ({error})") from None
    app = Playground(window, demo.expression)
    if demo.quick:
        window.update()
        window.destroy()
    else:
        window.mainloop()
    if app.root is None:
        return "Nothing was computed."
    demo.out.mkdir(parents=True, exist_ok=True)
    for kind in ("png", "svg"):
        print(f"wrote {save(app.root, demo.out / f'{demo.name}.{kind}')}")
    gradients = ", ".join(f"{name} {summary(leaf.grad)}" for name, leaf in app.leaves.items())
    return f"The result is {summary(app.root.data)}; its gradients: {gradients}."
