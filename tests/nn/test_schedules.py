"""Schedules: PyTorch's numbers, and what a user relies on."""

import numpy as np
import pytest

from engine import Value
from nn import optim


def rates(make, steps=20):
    optimizer = optim.SGD([Value(1.0)], lr=0.5)
    schedule = make(optimizer)
    path = [optimizer.lr]
    for _ in range(steps):
        schedule.step()
        path.append(optimizer.lr)
    return path


def test_schedules_equal_pytorchs(reference):
    for name, arguments, path in reference["schedules"]:
        ours = rates(lambda o, name=name, arguments=arguments: getattr(optim, name)(o, **arguments))
        np.testing.assert_allclose(ours, path, rtol=1e-12, atol=1e-15, err_msg=f"{name} {arguments}")


def test_warm_up_then_cosine_equals_pytorchs(reference):
    def make(o):
        return optim.SequentialLR(o, [optim.LinearLR(o, 0.1, total_iters=5), optim.CosineAnnealingLR(o, T_max=15)], milestones=[5])

    np.testing.assert_allclose(rates(make), reference["warm-up, then cosine"], rtol=1e-12, atol=1e-15)


def test_a_schedule_gives_way_at_its_milestone():
    def make(o):
        return optim.SequentialLR(o, [optim.LinearLR(o, 0.0, total_iters=10), optim.LambdaLR(o, lambda t: 10 + t)], milestones=[3])

    assert rates(make, 5) == pytest.approx([0, 0.05, 0.1, 5, 5.5, 6])


def test_a_schedule_goes_on_from_its_state():
    optimizer = optim.SGD([Value(1.0)], lr=0.8)
    schedule = optim.StepLR(optimizer, 2)
    for _ in range(3):
        schedule.step()
    fresh = optim.SGD([Value(1.0)], lr=0.8)
    again = optim.StepLR(fresh, 2)
    again.load_state_dict(schedule.state_dict())
    assert fresh.lr == optimizer.lr == pytest.approx(0.08)  # at once, not at the next step
    schedule.step()
    again.step()
    assert fresh.lr == optimizer.lr == pytest.approx(0.008)
    assert rates(lambda o: optim.LambdaLR(o, lambda t: 1 / (1 + t)), 3) == pytest.approx([0.5, 0.25, 0.5 / 3, 0.125])


def test_a_later_schedule_begins_from_the_rate_that_the_first_one_found():
    optimizer = optim.SGD([Value(1.0)], lr=0.8)
    optim.LinearLR(optimizer, 0.25)
    assert optimizer.lr == pytest.approx(0.2)
    resumed = optim.SGD([Value(1.0)], lr=5.0)
    resumed.load_state_dict(optimizer.state_dict())
    for o in (optimizer, resumed):
        assert o.lr == pytest.approx(0.2)
        optim.LambdaLR(o, lambda t: 0.5)
        assert o.lr == pytest.approx(0.4)


def test_each_schedule_counts_from_its_own_milestone():
    def make(o):
        return optim.SequentialLR(o, [optim.LambdaLR(o, lambda t, k=k: 10 * k + t) for k in (1, 2, 3)], milestones=[2, 5])

    assert rates(make, 7) == pytest.approx([5, 5.5, 10, 10.5, 11, 15, 15.5, 16])


def test_a_schedule_of_ones_own_needs_its_rate():
    class Halving(optim.Schedule):
        def rate(self, base, t):
            return base * 0.5**t

    assert rates(Halving, 2) == [0.5, 0.25, 0.125]
    with pytest.raises(NotImplementedError, match=r"Schedule needs a rate\(base, t\)"):
        optim.Schedule(optim.SGD([Value(1.0)]))


def test_schedules_need_a_milestone_between_each_two():
    def schedules(optimizer):
        return [optim.LinearLR(optimizer), optim.StepLR(optimizer, 3)]

    for milestones in ([], [3, 5]):
        optimizer = optim.SGD([Value(1.0)])
        with pytest.raises(ValueError, match=f"2 schedules need 1 milestones, not {len(milestones)}"):
            optim.SequentialLR(optimizer, schedules(optimizer), milestones)


def test_a_schedule_does_not_overwrite_what_something_else_has_set():
    optimizer = optim.SGD([Value(1.0)], lr=0.5)
    warm, decay = optim.LinearLR(optimizer), optim.StepLR(optimizer, 1)
    with pytest.raises(ValueError, match=r"LinearLR.step\(\).*set to 0.166667 here, and then to 0.5.*SequentialLR"):
        warm.step()
    decay.step()
    assert optimizer.lr == pytest.approx(0.05)
    optimizer.lr = 0.3
    with pytest.raises(ValueError, match="an assignment"):
        decay.step()
    assert decay.t == 1
    decay.load_state_dict(decay.state_dict())
    decay.step()
    assert optimizer.lr == pytest.approx(0.005)
