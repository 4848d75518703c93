"""The training loop: what is learned, when it stops, and that it goes on to the bit."""

import os
import random
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import nn
from engine import Value, detect_anomaly
from nn import Batches, accuracy, evaluate, fit, optim
from tests import ROOT

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


class Net(nn.Module):
    """With everything that a pause could upset: dropout of its own generator and of the common one."""

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
    def arguments():  # a sum in another order has other last bits
        return {"validation": Batches(X, Y, batch_size=7, seed=5), "progress": False}

    model, optimizer, schedule, train = start()
    unbroken = fit(model, nn.cross_entropy, optimizer, train, epochs=4, schedule=schedule, **arguments())
    wanted = state(model)

    path = tmp_path / "run.safetensors"
    model, optimizer, schedule, train = start()
    fit(model, nn.cross_entropy, optimizer, train, epochs=pause, schedule=schedule, checkpoint=path, **arguments())
    model, optimizer, schedule, train = start(lr=0.7)  # a new process would make them anew
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
        import sys
        import numpy as np
        import nn
        from nn import Batches, checkpoint, evaluate, fit, optim

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
        output = process.stdout.read()
    assert process.returncode == 0
    assert output == "interrupted True True\n"


def test_the_progress_bar_names_epochs_and_losses(capsys):
    model, optimizer, _, train = start()
    fit(model, nn.cross_entropy, optimizer, train, epochs=3, validation=[(X, Y)])
    shown = capsys.readouterr().out
    assert "3/3" in shown
    assert "validation" in shown
    fit(model, nn.cross_entropy, optimizer, train, epochs=1, progress=False)
    assert capsys.readouterr().out == ""


def test_evaluation_learns_nothing_and_gives_the_mode_back():
    model, optimizer, _, _ = start()
    before = state(model)
    whole = evaluate(model, nn.cross_entropy, [(X, Y)], accuracy)
    parts = evaluate(model, nn.cross_entropy, Batches(X, Y, batch_size=7, shuffle=False), accuracy)
    assert parts == pytest.approx(whole)  # uneven batches count by their examples
    assert state(model) == before
    assert model.training
    fit(model.eval(), nn.cross_entropy, optimizer, [(X, Y)], epochs=1, progress=False)
    assert not model.training


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
    lines = {line.get_label(): list(line.get_ydata()) for line in losses.get_lines()}
    assert lines["training"] == history.train
    assert lines["validation"] == history.validation
    assert list(metric.get_lines()[0].get_ydata()) == history.metric
    assert metric.get_ylabel() == "accuracy"
    figure.savefig(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 5000
    assert len(nn.History(train=[1.0, 0.5]).plot().axes) == 1


def test_without_matplotlib_the_error_names_the_extra():
    program = "import sys; sys.modules['matplotlib'] = None\nimport nn\nnn.History(train=[1.0]).plot()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=dict(os.environ))
    assert "pip install 'chainrule[demos]'" in done.stderr
