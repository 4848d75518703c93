"""Checkpoints: the file is whole at every moment, and a run goes on from it with the same bits."""

import json
import math
import os
import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import nn
from engine import Value
from nn import checkpoint, optim
from tests import ROOT

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | arrays(np.float64, array_shapes(min_dims=0, min_side=0)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(categories=["L"]), max_size=5), inner, max_size=3),
    max_leaves=8,
)


def same(one, other):
    if isinstance(one, (np.ndarray, np.generic)):
        return one.dtype == other.dtype and one.shape == other.shape and np.asarray(one).tobytes() == np.asarray(other).tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(state=plain)
def test_plain_data_comes_back_as_it_was(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "plain.safetensors"
    checkpoint.save(path, state=state)
    assert same(checkpoint.load(path)["state"], state)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8", "u1", "?"])
def test_arrays_of_any_dtype_and_layout_come_back(tmp_path, dtype):
    array = np.arange(24).reshape(4, 6).astype(dtype)
    parts = {"c": array, "f": np.asfortranarray(array), "view": array[::-1, ::2], "empty": array[:0]}
    checkpoint.save(tmp_path / "a", parts=parts, nan=[math.nan, math.inf])
    loaded = checkpoint.load(tmp_path / "a")
    for name, wanted in parts.items():
        np.testing.assert_array_equal(loaded["parts"][name], wanted, strict=True)
    assert math.isnan(loaded["nan"][0])


def test_a_run_is_stored_and_taken_up(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4, generator=0), nn.Tanh(), nn.Linear(4, 1, generator=1))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    schedule = optim.StepLR(optimizer, 1)
    rng, old = np.random.default_rng(5), random.Random(6)

    def advance(model, optimizer, rng, old):
        x = rng.normal(size=(8, 3)) + old.random()
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()

    advance(model, optimizer, rng, old)
    schedule.step()
    checkpoint.save(tmp_path / "run.safetensors", model=model, optimizer=optimizer, schedule=schedule, rng=rng, old=old, epoch=1)
    fresh = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    fresh_optimizer = optim.Adam(fresh.parameters())
    fresh_schedule = optim.StepLR(fresh_optimizer, 1)
    fresh_rng, fresh_old = np.random.default_rng(), random.Random()
    rest = checkpoint.load(
        tmp_path / "run.safetensors", model=fresh, optimizer=fresh_optimizer, schedule=fresh_schedule, rng=fresh_rng, old=fresh_old
    )
    assert rest == {"epoch": 1}
    assert fresh_optimizer.lr == optimizer.lr == pytest.approx(0.01)
    for _ in range(3):
        advance(model, optimizer, rng, old)
        advance(fresh, fresh_optimizer, fresh_rng, fresh_old)
    assert same(fresh.state_dict(), model.state_dict())


def test_scalar_models_are_stored_too(tmp_path):
    random.seed(1)
    model, fresh = nn.MLP(2, [3, 1]), nn.MLP(2, [3, 1])
    optimizer = optim.Adam(model.parameters())
    model([Value(1.0), Value(2.0)]).backward()
    optimizer.step()
    checkpoint.save(tmp_path / "m", model=model, optimizer=optimizer, random=random)
    drawn = random.random()
    taken = optim.Adam(fresh.parameters())
    checkpoint.load(tmp_path / "m", model=fresh, optimizer=taken, random=random)
    assert random.random() == drawn
    assert [p.data for p in fresh.parameters()] == [p.data for p in model.parameters()]
    assert all(type(p.data) is float for p in fresh.parameters())
    assert taken.state_dict() == optimizer.state_dict()


def test_other_programs_can_read_the_weights(tmp_path):
    from safetensors.numpy import load_file

    model = nn.Linear(3, 2)
    checkpoint.save(tmp_path / "w.safetensors", model=model, epoch=3)
    tensors = load_file(tmp_path / "w.safetensors")
    assert sorted(tensors) == ["model.bias", "model.weight"]
    np.testing.assert_array_equal(tensors["model.weight"], model.weight.data)


def test_weights_alone_can_be_taken(tmp_path):
    model, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    checkpoint.save(tmp_path / "w", model=model, optimizer=optim.SGD(model.parameters()))
    fresh.load_state_dict(checkpoint.load(tmp_path / "w")["model"])
    assert same(fresh.state_dict(), model.state_dict())


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoint.save(path, epoch=1)
    for broken, message in (
        ({"f": [1, print]}, r"f\.1 is a builtin_function_or_method, which cannot be saved; give it a state_dict\(\)"),
        ({"d": {1: 2}}, "d: the keys of a saved dict must be strings"),
        ({"a": np.array([object()])}, "a is an array of object"),
    ):
        with pytest.raises(TypeError, match=message):
            checkpoint.save(path, **broken)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        checkpoint.save(tmp_path / "folder", epoch=1)
    assert checkpoint.load(path) == {"epoch": 1}
    assert sorted(os.listdir(tmp_path)) == ["folder", "run.safetensors"]


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the same name 'a\.b'"):
        checkpoint.save(tmp_path / "run", **{"a": {"b": np.ones(1)}, "a.b": np.ones(1)})
    with pytest.raises(TypeError, match=r"strings \(other than '\$tensor'\)"):
        checkpoint.save(tmp_path / "run", d={"$tensor": "a"})
    assert not os.listdir(tmp_path)


def test_what_is_loaded_can_be_written_to_and_no_other_load_sees_it(tmp_path):
    model = nn.Linear(3, 2)
    checkpoint.save(tmp_path / "run", model=model, numbers=np.ones(3))
    first, second = checkpoint.load(tmp_path / "run"), checkpoint.load(tmp_path / "run")
    first["numbers"] += 1.0
    first["model"]["weight"] += 1.0
    assert second["numbers"].tolist() == [1.0, 1.0, 1.0]
    np.testing.assert_array_equal(second["model"]["weight"], model.weight.data)


def test_while_a_process_saves_and_after_it_is_killed_the_file_is_whole(tmp_path):
    program = textwrap.dedent(
        """
        import sys
        import numpy as np
        from nn import checkpoint
        for epoch in range(10**6):
            checkpoint.save(sys.argv[1], epoch=epoch, array=np.full(200_000, float(epoch)))
            if epoch == 3:
                print("saving", flush=True)
        """
    )
    path = tmp_path / "run.safetensors"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        process.stdout.readline()
        for attempt in range(60):
            if attempt == 59:
                process.kill()
                process.wait()
            loaded = checkpoint.load(path)
            assert loaded["epoch"] >= 3
            assert (loaded["array"] == loaded["epoch"]).all()


def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path):
    from safetensors.numpy import save_file

    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / "absent")
    for content in (b"", b"{}", b"\\xff" * 100, json.dumps({"a": 1}).encode()):
        (tmp_path / "junk").write_bytes(content)
        with pytest.raises(ValueError, match="is not a checkpoint"):
            checkpoint.load(tmp_path / "junk")
    save_file({"x": np.ones(2)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match=r"not a checkpoint; read its tensors with safetensors\.numpy\.load_file"):
        checkpoint.load(tmp_path / "foreign")


def test_parts_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "run"
    checkpoint.save(path, model=nn.Linear(3, 2), epoch=1)
    with pytest.raises(ValueError, match="contains model, epoch, and nothing named optimizer"):
        checkpoint.load(path, optimizer=optim.SGD([Value(1.0)]))
    with pytest.raises(ValueError, match=r"weight has shape \(2, 3\)"):
        checkpoint.load(path, model=nn.Linear(4, 2))
    with pytest.raises(TypeError, match="epoch is plain data"):
        checkpoint.load(path, epoch=0)


def test_without_safetensors_the_error_names_the_extra(tmp_path):
    program = "import sys; sys.modules['safetensors'] = None\nfrom nn import checkpoint\ncheckpoint.save('x', epoch=1)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=100,
    )
    assert "this needs safetensors: pip install 'chainrule[nn]'" in done.stderr
    assert not os.listdir(tmp_path)


# ── damaged files, parts that do not fit, leftovers ───────────────────────────


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_gives_one_error_that_names_it_and_changes_nothing(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("run") / "run.safetensors"
    model = nn.Linear(2, 2, generator=0)
    checkpoint.save(path, model=model, epoch=3, names=["a", "b"])
    content = bytearray(path.read_bytes())
    before = model.state_dict()
    way = data.draw(st.sampled_from(["cut", "byte", "header", "length"]))
    if way == "cut":
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    elif way == "length":
        content[:8] = data.draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little")
    else:
        end = 8 + int.from_bytes(content[:8], "little")
        place = data.draw(st.integers(8, end - 1) if way == "header" else st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    said = "as it was"
    try:
        checkpoint.load(path, model=model)
    except ValueError as error:
        said = str(error)
    if said != "as it was":  # else it was not damaged so that one can tell
        assert str(path) in said
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[name])


def test_of_several_parts_all_are_loaded_or_none(tmp_path):
    path = tmp_path / "run.safetensors"
    model, rng = nn.Linear(2, 2, generator=0), np.random.default_rng(0)
    optimizer = optim.Adam(model.parameters())
    checkpoint.save(path, model=model, rng=rng, optimizer=optimizer)
    other, other_rng = nn.Linear(2, 2, generator=1), np.random.default_rng(1)
    before, state = other.state_dict(), other_rng.bit_generator.state
    with pytest.raises(ValueError, match=r"run.safetensors: the state of optimizer does not fit: .*Adam.*SGD"):
        checkpoint.load(path, model=other, rng=other_rng, optimizer=optim.SGD(other.parameters()))
    assert other_rng.bit_generator.state == state
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


KILLED = """
import os, signal, sys
from engine.files import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_save_cleans_up_after_a_killed_one_and_follows_a_link(tmp_path):
    real, link = tmp_path / "data" / "run.safetensors", tmp_path / "run.safetensors"
    real.parent.mkdir()
    link.symlink_to(real)
    subprocess.run([sys.executable, "-c", KILLED, str(link)], timeout=60, check=False)
    assert len(list(real.parent.iterdir())) == 1  # what the killed process left
    checkpoint.save(link, epoch=1)
    assert [path.name for path in real.parent.iterdir()] == ["run.safetensors"]
    assert link.is_symlink()
    assert checkpoint.load(link) == {"epoch": 1}
