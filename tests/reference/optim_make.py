"""PyTorch's numbers for the optimisers, clipping and schedules: python -m tests.reference.optim_make writes optim.json.

Needs torch, and nothing of ours.  The tests compare with the stored file, and call `compute` where torch is installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STORED = Path(__file__).with_name("optim.json")
STEPS = 12

OPTIMISERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.3, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.2, "eps": 1e-6}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.8, "eps": 1e-4, "weight_decay": 0.05}),
    ("RMSprop", {"momentum": 0.7}),
    ("RMSprop", {"centered": True, "momentum": 0.7, "alpha": 0.9}),
    ("RMSprop", {"centered": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": [0.7, 0.95], "eps": 1e-3, "weight_decay": 0.05}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": [0.7, 0.95], "eps": 1e-3, "weight_decay": 0.2}),
]

SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 4, "gamma": 0.5}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.8, "total_iters": 7}),
    ("CosineAnnealingLR", {"T_max": 12}),
    ("CosineAnnealingLR", {"T_max": 9, "eta_min": 0.02}),
]


def compute() -> dict[str, Any]:
    """Everything the tests compare with, as plain lists of floats."""
    import torch

    torch.manual_seed(0)
    start = [torch.randn(3, 2, dtype=torch.float64), torch.randn(4, dtype=torch.float64), torch.randn((), dtype=torch.float64)]
    gradients = [[torch.randn_like(p) for p in start] for _ in range(STEPS)]
    gradients[4][1] = None  # a parameter that one step does not reach

    def run(name: str, arguments: dict[str, Any]) -> list[Any]:
        params = [p.clone().requires_grad_() for p in start]
        optimiser = getattr(torch.optim, name)(params, **{k: tuple(v) if k == "betas" else v for k, v in arguments.items()})
        path = []
        for row in gradients:
            for p, g in zip(params, row, strict=True):
                p.grad = None if g is None else g.clone()
            optimiser.step()
            path.append([p.tolist() for p in params])
        return path

    def clip(max_norm: float, norm_type: float) -> dict[str, Any]:
        params = [p.clone() for p in start]
        for p, g in zip(params, gradients[0], strict=True):
            p.grad = g.clone()
        norm = torch.nn.utils.clip_grad_norm_(params, max_norm, norm_type)
        return {"max_norm": max_norm, "norm_type": str(norm_type), "norm": norm.item(), "gradients": [p.grad.tolist() for p in params]}

    def rates(make: Any, steps: int = 20) -> list[float]:
        optimiser = torch.optim.SGD([start[0].clone()], lr=0.5)
        schedule = make(optimiser)
        optimiser.step()  # torch warns where a schedule moves first
        path = [optimiser.param_groups[0]["lr"]]
        for _ in range(steps):
            schedule.step()
            path.append(optimiser.param_groups[0]["lr"])
        return path

    kinds = torch.optim.lr_scheduler
    return {
        "torch": torch.__version__,
        "start": [p.tolist() for p in start],
        "gradients": [[None if g is None else g.tolist() for g in row] for row in gradients],
        "optimisers": [[name, arguments, run(name, arguments)] for name, arguments in OPTIMISERS],
        "clip": [clip(*case) for case in [(1.0, 2.0), (100.0, 2.0), (0.5, 1.0), (0.7, float("inf"))]],
        "schedules": [[name, arguments, rates(lambda o, n=name, a=arguments: getattr(kinds, n)(o, **a))] for name, arguments in SCHEDULES],
        "warm-up, then cosine": rates(
            lambda o: kinds.SequentialLR(o, [kinds.LinearLR(o, 0.1, total_iters=5), kinds.CosineAnnealingLR(o, T_max=15)], milestones=[5])
        ),
    }


if __name__ == "__main__":
    STORED.write_text(json.dumps(compute()) + "\n", encoding="utf-8")
    print(f"wrote {STORED}")
