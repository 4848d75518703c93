"""The training loop: what it learns, when it stops, and that a resumed run gives the same bits."""

import math
import os
import random
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import nn
from engine import Value, detect_anomaly
from nn import Batches, accuracy, evaluate, fit, optim
from tests import ROOT

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


class Net(nn.Module):
    """A network that draws random numbers from its own generator, from that of nn and from Python's."""

    def __init__(self):
        self.first = nn.Linear(2, 16, generator=0)
        self.last = nn.Linear(16, 2, generator=1)
        self.rng = np.random.default_rng(3)

    def forward(self, x):
        h = np.maximum(self.first(x), 0.0)
        if self.training:
            h = h * (self.rng.random(h.shape) < 0.9) * (nn.init.as_generator().random(h.shape) < 0.9) * (0.9 + 0.2 * random.random())
        return self.last(h)


def start(lr=0.05):
    nn.manual_seed(1)
    random.seed(2)
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=lr)
    return model, optimizer, optim.CosineAnnealingLR(optimizer, T_max=10), Batches(X, Y, batch_size=16, seed=4)


def state(model):
    return {name: array.tobytes() for name, array in model.state_dict().items()}


def test_learns_and_tells_what_happened():
    model, optimizer, schedule, train = start()
    history = fit(
        model, nn.cross_entropy, optimizer, train, epochs=25, validation=[(X, Y)], metric=accuracy, schedule=schedule, progress=False
    )
    assert len(history) == 25
    assert len(history.validation) == len(history.metric) == len(history.lr) == len(history.seconds) == 25
    assert history.train[-1] < 0.5 * history.train[0]
    assert history.metric[-1] > 0.9
    assert history.metric[-1] == accuracy(model.eval()(X), Y)
    assert history.validation[-1] == pytest.approx(nn.cross_entropy(model(X), Y).item())
    assert history.validation[history.best - 1] == min(history.validation)
    assert history.lr[:2] == pytest.approx([0.05, 0.05 * (1 + np.cos(np.pi / 10)) / 2])
    assert history.stopped == ""
    assert "accuracy" in repr(history)


@pytest.mark.parametrize("pause", [1, 2, 3])
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(tmp_path, pause):
    def arguments():  # each run with its own: the order changes the last bits of the loss
        return {"validation": Batches(X, Y, batch_size=7, seed=5), "progress": False}

    model, optimizer, schedule, train = start()
    unbroken = fit(model, nn.cross_entropy, optimizer, train, epochs=4, schedule=schedule, **arguments())
    wanted = state(model)

    path = tmp_path / "run.safetensors"
    model, optimizer, schedule, train = start()
    fit(model, nn.cross_entropy, optimizer, train, epochs=pause, schedule=schedule, checkpoint=path, **arguments())
    model, optimizer, schedule, train = start(lr=0.7)  # new objects, as in a new process
    nn.manual_seed(99)
    random.seed(98)
    resumed = fit(model, nn.cross_entropy, optimizer, train, epochs=4, schedule=schedule, checkpoint=path, **arguments())
    assert state(model) == wanted
    assert (resumed.train, resumed.validation, resumed.lr) == (unbroken.train, unbroken.validation, unbroken.lr)


def test_early_stopping_keeps_the_best_weights():
    model, optimizer, _, train = start(lr=0.5)
    seen = []

    def watched(prediction, target):
        seen.append(state(model))
        return accuracy(prediction, target)

    history = fit(model, nn.cross_entropy, optimizer, train, epochs=200, validation=[(X, Y)], metric=watched, patience=3, progress=False)
    assert history.stopped == "early"
    assert len(history) == history.best + 3 < 200
    assert state(model) == seen[history.best - 1]


def test_without_patience_the_last_weights_stay():
    model, optimizer, _, train = start(lr=0.5)
    history = fit(model, nn.cross_entropy, optimizer, train, epochs=6, validation=[(X, Y)], progress=False)
    assert evaluate(model, nn.cross_entropy, [(X, Y)])["loss"] == history.validation[-1]


def test_ctrl_c_keeps_the_best_weights_and_the_checkpoint(tmp_path):
    program = textwrap.dedent(
        """
        import signal
        import sys
        import numpy as np
        import nn
        from nn import Batches, checkpoint, evaluate, fit, optim

        signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests were started it may be ignored
        x = np.linspace(-1, 1, 400)[:, None]
        y = x**2
        model = nn.Sequential(nn.Linear(1, 32, generator=0), nn.Tanh(), nn.Linear(32, 1, generator=1))
        optimizer = optim.SGD(model.parameters(), lr=0.05)

        def ready(prediction, target):
            ready.epochs += 1
            if ready.epochs == 5:
                print("ready", flush=True)
            return 0.0
        ready.epochs = 0

        history = fit(model, nn.mse_loss, optimizer, Batches(x, y, seed=0), epochs=10**9, validation=[(x, y)],
                      metric=ready, checkpoint=sys.argv[1], progress=False)
        loss = evaluate(model, nn.mse_loss, [(x, y)])["loss"]
        saved = checkpoint.load(sys.argv[1])
        print(history.stopped, loss == min(history.validation), len(saved["history"]["train"]) >= 4)
        """
    )
    command = [sys.executable, "-c", program, str(tmp_path / "run.safetensors")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        try:
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert output == "interrupted True True\n"


def test_the_progress_bar_names_epochs_and_losses(capsys):
    model, optimizer, _, train = start()
    fit(model, nn.cross_entropy, optimizer, train, epochs=3, validation=[(X, Y)])
    shown = capsys.readouterr().out
    assert "3/3" in shown
    assert "validation" in shown
    assert "epoch" in shown
    fit(model, nn.cross_entropy, optimizer, train, epochs=1, progress=False)
    assert capsys.readouterr().out == ""


def test_the_progress_bar_of_a_complete_run_is_full(tmp_path, capsys):
    model, optimizer, _, train = start()
    options = {"epochs": 2, "checkpoint": tmp_path / "run"}
    history = fit(model, nn.cross_entropy, optimizer, train, progress=False, **options)
    fit(model, nn.cross_entropy, optimizer, train, **options)
    shown = capsys.readouterr().out
    assert "2/2" in shown
    assert history.last() in shown


def test_evaluation_learns_nothing_and_gives_the_mode_back():
    model, optimizer, _, _ = start()
    before = state(model)
    whole = evaluate(model, nn.cross_entropy, [(X, Y)], accuracy)
    parts = evaluate(model, nn.cross_entropy, Batches(X, Y, batch_size=7, shuffle=False), accuracy)
    assert parts == pytest.approx(whole)  # uneven batches are weighted by their sizes
    assert state(model) == before
    assert model.training
    fit(model.eval(), nn.cross_entropy, optimizer, [(X, Y)], epochs=1, progress=False)
    assert not model.training


def uneven():
    """Batches of 40, 15 and 5 examples, so that a mean of means is not the mean."""
    return [(X[:40], Y[:40]), (X[40:55], Y[40:55]), (X[55:], Y[55:])]


def test_an_epochs_loss_is_the_mean_over_its_examples():
    model = nn.Sequential(nn.Linear(2, 2, generator=0))
    history = fit(model, nn.cross_entropy, optim.SGD(model.parameters(), lr=0.0), uneven(), epochs=2, metric=accuracy, progress=False)
    whole = nn.cross_entropy(model(X), Y).item()
    assert history.train == pytest.approx([whole, whole], rel=1e-12)
    assert history.validation == []
    assert history.metric == pytest.approx([accuracy(model(X), Y)] * 2)  # on the training data, as there are no others
    assert evaluate(model, nn.cross_entropy, uneven()) == {"loss": pytest.approx(whole, rel=1e-12)}


def test_training_frees_the_graph_of_a_batch_and_evaluation_records_none():
    model, optimizer, _, _ = start()
    predictions = []

    def loss(prediction, target):
        predictions.append(prediction)
        return nn.cross_entropy(prediction, target)

    fit(model, loss, optimizer, [(X, Y)], epochs=1, progress=False)
    assert predictions[0].requires_grad
    assert predictions[0].operands == ()
    assert not predictions[0].has_grad
    evaluate(model, loss, [(X, Y)])
    assert not predictions[1].requires_grad
    assert predictions[1].is_leaf


def test_evaluation_needs_a_batch_and_gives_the_mode_back_after_an_error():
    model, _, _, _ = start()
    with pytest.raises(ValueError, match="there was no batch"):
        evaluate(model, nn.cross_entropy, [])
    with pytest.raises(ValueError, match="Linear"):
        evaluate(model, nn.cross_entropy, [(X[:, :1], Y)])
    assert model.training
    assert evaluate(model.eval(), nn.cross_entropy, [(X, Y)]).keys() == {"loss"}
    assert not model.training


def test_dropout_drops_in_training_and_not_in_evaluation():
    model = nn.Sequential(nn.Linear(2, 2, generator=0), nn.Dropout(0.5, generator=0))
    modes = []
    model.register_forward_hook(lambda module, args, output: modes.append(module.training))
    fit(model, nn.cross_entropy, optim.SGD(model.parameters()), [(X, Y)], epochs=2, validation=[(X, Y)], progress=False)
    assert modes == [True, False, True, False]


def test_a_run_on_a_list_of_batches_resumes_with_its_dropout(tmp_path):
    def run(epochs, *, path=None, seed=3):
        nn.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, 8, generator=0), nn.Dropout(0.5, generator=seed), nn.Linear(8, 2, generator=1))
        options = {"epochs": epochs, "checkpoint": path, "progress": False}
        history = fit(model, nn.cross_entropy, optim.SGD(model.parameters(), lr=0.1), uneven(), validation=[(X, Y)], **options)
        return state(model), history.train

    unbroken = run(4)
    run(2, path=tmp_path / "run")
    assert run(4, path=tmp_path / "run", seed=5) == unbroken
    assert run(4, path=tmp_path / "run", seed=6) == unbroken  # complete already: nothing is trained


def test_ctrl_c_in_the_first_epoch_keeps_what_is_there(capsys):
    model, optimizer, _, train = start()
    before = state(model)

    def interrupted(prediction, target):
        raise KeyboardInterrupt

    history = fit(model, interrupted, optimizer, train, epochs=3)
    assert (len(history), history.stopped) == (0, "interrupted")
    assert state(model) == before
    shown = capsys.readouterr().out
    assert "stopped by Ctrl-C" in shown
    assert "keeping" not in shown


def test_ctrl_c_later_says_which_weights_stay(capsys):
    model, optimizer, _, train = start()
    calls = []

    def loss(prediction, target):
        calls.append(len(target))
        if sum(calls) > 2 * len(X):
            raise KeyboardInterrupt
        return nn.cross_entropy(prediction, target)

    history = fit(model.eval(), loss, optimizer, train, epochs=30)
    assert len(history) == 2
    assert not model.training
    assert f"keeping the weights of epoch {history.best}" in capsys.readouterr().out


def test_patience_of_one_stops_at_the_first_epoch_that_is_no_better():
    model = nn.Sequential(nn.Linear(2, 2, generator=0))
    losses = iter([3.0, 2.0, 2.0, 1.0])
    history = fit(
        model,
        lambda prediction, target: (prediction * 0.0).sum() + next(losses),
        optim.SGD(model.parameters()),
        [(X, Y)],
        epochs=4,
        patience=1,
        progress=False,
    )
    assert history.train == [3.0, 2.0, 2.0]
    assert (history.best, history.stopped) == (2, "early")


def test_a_history_tells_its_epochs_its_best_and_why_it_stopped():
    history = nn.History()
    assert (len(history), history.best, history.is_stale(1), history.is_stale(None)) == (0, 0, False, False)
    assert repr(history) == "History(epochs=0, best epoch: 0)"
    history = nn.History(train=[3.0, 1.0, 2.0], validation=[2.0, 3.0, 2.0], metric=[0.5, 0.75, 0.875], metric_name="accuracy")
    assert history.best == 1
    assert nn.History(train=[3.0, 1.0, 2.0]).best == 2
    assert [history.is_stale(patience) for patience in (1, 2, 3)] == [True, True, False]
    assert repr(history) == "History(epochs=3, loss 2 · validation 2 · accuracy 0.875, best epoch: 1)"
    history.stopped = "early"
    assert repr(history) == "History(epochs=3, loss 2 · validation 2 · accuracy 0.875, best epoch: 1, stopped: early)"
    other = nn.History()
    saved = history.state_dict()
    other.load_state_dict(saved)
    other.train.append(9.0)
    assert saved["train"] == history.train == [3.0, 1.0, 2.0]
    history.train.append(8.0)
    assert saved["train"] == [3.0, 1.0, 2.0]


def test_clips_the_gradient():
    model, _, _, _ = start()
    before = np.concatenate([np.ravel(p.data) for p in model.parameters()])
    fit(model, nn.cross_entropy, optim.SGD(model.parameters(), lr=1.0), [(X, Y)], epochs=1, max_norm=0.01, progress=False)
    moved = np.concatenate([np.ravel(p.data) for p in model.parameters()]) - before
    assert np.linalg.norm(moved) == pytest.approx(0.01, rel=1e-3)


def test_several_inputs_and_a_scalar_model():
    class Sum(nn.Module):
        def __init__(self):
            self.scale = nn.MLP(1, [1]).parameters()[0]

        def forward(self, a, b):
            return self.scale * (a + b)

    model = Sum()
    fit(model, nn.mse_loss, optim.SGD(model.parameters(), lr=0.1), [(X[:, 0], X[:, 1], 3 * X.sum(1))], epochs=100, progress=False)
    assert model.scale.data == pytest.approx(3, abs=1e-3)
    assert type(model.scale.data) is float


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_loss_that_runs_away_is_said_at_once():
    model, _, _, train = start()
    with pytest.raises(FloatingPointError, match=r"lower the learning rate \(1e\+200\)"):
        fit(model, nn.mse_loss, optim.SGD(model.parameters(), lr=1e200), [(X, X)], epochs=20, progress=False)
    with detect_anomaly(), pytest.raises(FloatingPointError, match="in the forward of"):
        fit(model, lambda out, y: (out * Value(np.inf)).sum(), optim.SGD(model.parameters()), train, epochs=1, progress=False)


def test_an_iterator_that_runs_dry_is_refused():
    model, optimizer, _, _ = start()
    with pytest.raises(ValueError, match="an iterator is empty after one epoch"):
        fit(model, nn.cross_entropy, optimizer, iter([(X, Y)]), epochs=2, progress=False)


def test_patience_counts_epochs():
    model, optimizer, _, train = start()
    with pytest.raises(ValueError, match="patience=0"):
        fit(model, nn.cross_entropy, optimizer, train, epochs=2, patience=0)


def test_the_history_plots_what_it_holds(tmp_path):
    model, optimizer, _, train = start()
    history = fit(model, nn.cross_entropy, optimizer, train, epochs=4, validation=[(X, Y)], metric=accuracy, progress=False)
    figure = history.plot()
    losses, metric = figure.axes
    assert losses.get_shared_x_axes().joined(losses, metric)
    lines = {line.get_label(): list(line.get_ydata()) for line in losses.get_lines()}
    assert lines["training"] == history.train
    assert lines["validation"] == history.validation
    assert list(metric.get_lines()[0].get_ydata()) == history.metric
    assert metric.get_ylabel() == "accuracy"
    figure.savefig(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 5000
    assert losses.get_ylabel() == "loss"
    assert metric.get_xlabel() == "epoch"
    assert {text.get_text() for text in losses.get_legend().get_texts()} == set(lines)
    alone = nn.History(train=[1.0, 0.5, 0.75]).plot()
    assert [(line.get_label(), list(line.get_xdata())) for line in alone.axes[0].get_lines()] == [
        ("training", [1, 2, 3]),
        ("best: epoch 2", [2, 2]),
    ]
    assert len(alone.axes) == 1
    assert alone.get_figheight() < figure.get_figheight()
    assert all(tick == int(tick) for tick in alone.axes[0].get_xticks())
    (empty,) = nn.History().plot().axes[0].get_lines()
    assert len(empty.get_xdata()) == 0


def test_without_matplotlib_the_error_names_the_extra():
    program = "import sys; sys.modules['matplotlib'] = None\nimport nn\nnn.History(train=[1.0]).plot()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=dict(os.environ), timeout=100)
    assert "this needs matplotlib: pip install 'chainrule[demos]'" in done.stderr


# ── metrics, modes, and checkpoints that can be written ───────────────────────


@given(st.integers(1, 5), st.integers(2, 4), st.data())
def test_accuracy_counts_and_never_broadcasts(n, classes, data):
    scores = np.random.default_rng(0).standard_normal((n, classes))
    targets = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, classes - 1)))
    right = sum(int(np.argmax(row)) == t for row, t in zip(scores, targets, strict=True))
    assert nn.accuracy(Value(scores), targets) == pytest.approx(right / n)
    one_hot = np.eye(classes)[targets]
    for bad in (targets[:, None], one_hot, np.append(targets, 0)):
        with pytest.raises(ValueError, match="accuracy: scores of shape"):
            nn.accuracy(scores, bad)
    for binary in (scores[:, 0], scores[:, :1]):
        with pytest.raises(ValueError, match=r"scores > 0"):
            nn.accuracy(binary, targets)
    with pytest.raises(TypeError, match="integers"):
        nn.accuracy(scores, targets.astype(float))


def test_a_loss_that_is_nan_is_never_the_best():
    history = nn.History(train=[1.0, 1.0, 1.0], validation=[math.nan, 3.0, 2.0])
    assert history.best == 3
    assert nn.History(validation=[math.nan] * 3, train=[1.0] * 3).best == 0
    assert nn.History(validation=[math.nan] * 3, train=[1.0] * 3).is_stale(3)  # and never one that is waited for


@pytest.mark.parametrize("use", ["fit", "evaluate", "dead_units"])
def test_every_module_keeps_its_own_mode(use):
    model = nn.Sequential(nn.Linear(2, 3, generator=0), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2, generator=1))
    model[1].eval()
    batches = [(np.random.default_rng(0).standard_normal((8, 2)), np.arange(8) % 2)]
    before = [module.training for module in model.modules()]
    if use == "fit":
        nn.fit(model, nn.cross_entropy, optim.SGD(model.parameters()), batches, epochs=1, progress=False)
    elif use == "evaluate":
        nn.evaluate(model, nn.cross_entropy, batches)
    else:
        nn.dead_units(model, batches)
    assert [module.training for module in model.modules()] == before


def test_what_a_checkpoint_cannot_do_is_said_before_the_first_epoch(tmp_path):
    class Stream:
        def __iter__(self):
            yield np.ones((4, 2)), np.zeros(4, int)

    def run(train, path):
        model = nn.Linear(2, 2, generator=0)
        nn.fit(model, nn.cross_entropy, optim.SGD(model.parameters()), train, epochs=1, progress=False, checkpoint=path)
        return model

    with pytest.raises(FileNotFoundError, match="nowhere"):
        run(list(Stream()), tmp_path / "nowhere" / "run.safetensors")
    with pytest.warns(UserWarning, match="Stream without state_dict"):
        run(Stream(), tmp_path / "run.safetensors")
