"""Optimisers, gradient clipping and learning-rate schedules, with PyTorch's names, arguments and numbers.

    from nn import optim

    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=epochs)
    for epoch in range(epochs):
        for x, y in batches:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        schedule.step()

`gradients` reads and clips the gradients of parameters, `optimizers` uses them to update the parameters, and
`schedules` changes the learning rate of an optimiser over time.
"""

from .gradients import clip_grad_norm_ as clip_grad_norm_, clip_grad_value_ as clip_grad_value_
from .optimizers import (
    SGD as SGD,
    Adagrad as Adagrad,
    Adam as Adam,
    AdamW as AdamW,
    Optimizer as Optimizer,
    RMSprop as RMSprop,
)
from .schedules import (
    CosineAnnealingLR as CosineAnnealingLR,
    LambdaLR as LambdaLR,
    LinearLR as LinearLR,
    Schedule as Schedule,
    SequentialLR as SequentialLR,
    StepLR as StepLR,
)

# What `from nn.optim import *` brings: everything imported above, without the submodules that hold it.
__all__ = sorted(name for name, thing in globals().items() if getattr(thing, "__module__", "").startswith(__name__))
