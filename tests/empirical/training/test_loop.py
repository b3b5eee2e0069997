"""The training loop: the same numbers however often it is stopped, and divergence as a result."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from bnproof.empirical.data.images import Images, Split
from bnproof.empirical.data.load import load
from bnproof.empirical.data.pixels import PAD, Crops, Pixels
from bnproof.empirical.training.callbacks import CALLBACKS
from bnproof.empirical.training.config import PATIENCE, WARM_UP, TrainingConfig
from bnproof.empirical.training.loop import Trainer, train
from bnproof.empirical.training.progress import FIRST
from bnproof.empirical.training.run_folder import RunFolder
from bnproof.empirical.training.tasks import LinearMap
from bnproof.theory.common.errors import UserError

NETWORK = {"family": "resnet", "depth": 8}
RECIPE = TrainingConfig(network=NETWORK, steps=6, rate=0.05, batch=8, every=2, augment=True)


@pytest.fixture(scope="module")
def images() -> Images:
    return load("digits", limit=40)


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return request.param


def test_a_run_in_parts_has_the_numbers_of_a_run_in_one(images, tmp_path, device) -> None:
    whole = train(RECIPE, images, root=tmp_path / "whole", device=device)
    for step in (1, 2, 5):
        assert train(RECIPE, images, root=tmp_path / "parts", device=device, until=step) is None
    parts = train(RECIPE, images, root=tmp_path / "parts", device=device)
    assert parts["curve"] == whole["curve"]
    assert [row["step"] for row in whole["curve"]] == [0, 2, 4, 6]
    again = train(RECIPE, images, root=tmp_path / "parts", device=device)
    assert again == parts  # read, not run


def test_seeds_differ(images, tmp_path) -> None:
    first = train(RECIPE, images, root=tmp_path)
    second = train(replace(RECIPE, seed=1), images, root=tmp_path)
    assert first["curve"] != second["curve"]


KILLED = """
import sys
from pathlib import Path
from bnproof.empirical.training import loop as training
from bnproof.empirical.data.load import load
from bnproof.empirical.training.config import TrainingConfig
training.EVERY = 0.0
network = {"family": "resnet", "depth": 8}
config = TrainingConfig(network=network, steps=30, rate=0.05, batch=8, every=7)
result = training.train(config, load("digits", limit=40), root=Path(sys.argv[1]), wait=60)
print(len(result["curve"]))
"""


def test_killed_at_random_moments_it_resumes_to_the_same_numbers(images, tmp_path) -> None:
    training_config = TrainingConfig(network=NETWORK, steps=30, rate=0.05, batch=8, every=7)
    whole = train(training_config, images, root=tmp_path / "whole")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed")]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    draws = torch.Generator().manual_seed(1)
    kills = 0
    for _ in range(4):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        started = time.monotonic()
        folder = tmp_path / "killed"
        while process.poll() is None and not list(folder.glob("*/checkpoint-*")):
            time.sleep(0.01)
            assert time.monotonic() - started < 120
        time.sleep(0.3 * torch.rand((), generator=draws).item())
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        assert not list(folder.glob("*/result.json")) or process.returncode == 0
    assert kills
    killed = train(training_config, images, root=tmp_path / "killed")
    assert killed["curve"] == whole["curve"]


def test_interrupt_stops_between_two_steps_and_can_be_resumed(
    images, tmp_path, monkeypatch
) -> None:
    pressed = []

    def press(trainer):
        pressed.append(trainer.progress.step)
        if len(pressed) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return evaluate(trainer)

    evaluate = Trainer.evaluate
    whole = train(RECIPE, images, root=tmp_path / "whole")
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "evaluate", press)
        with pytest.raises(KeyboardInterrupt):
            train(RECIPE, images, root=tmp_path / "stopped")
    assert pressed == [0, 2]
    assert signal.getsignal(signal.SIGINT) is before
    resumed = train(RECIPE, images, root=tmp_path / "stopped")
    assert resumed["curve"] == whole["curve"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [0, 2, 6])
def test_an_evaluation_is_abandoned_and_made_when_resumed(
    images, tmp_path, monkeypatch, number, step
) -> None:
    """However long it takes: nothing of it is recorded, and no training is lost."""
    seen = []

    def look(now):
        seen.append(now.step)
        if now.step == step and seen.count(step) == 1:
            os.kill(os.getpid(), number)
            time.sleep(30)
        return {"mean": now.inputs.mean().item(), "draw": torch.rand(()).item()}

    given = replace(RECIPE, metrics=("look",))
    monkeypatch.setitem(CALLBACKS, "look", look)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train(given, images, root=tmp_path)
    assert time.monotonic() - begun < 10
    rows = RunFolder(tmp_path, given.config(images, "cpu")).records()
    assert [row["step"] for row in rows] == [n for n in (0, 2, 4, 6) if n < step]
    advanced = []
    advance = Trainer.advance

    def noted(trainer):
        advanced.append(trainer.progress.step)
        return advance(trainer)

    monkeypatch.setattr(Trainer, "advance", noted)
    resumed = train(given, images, root=tmp_path)
    assert advanced == list(range(step, RECIPE.steps))
    assert resumed["curve"] == train(given, images, root=tmp_path / "whole")["curve"]


def test_an_interrupt_in_the_last_step_is_heard(images, tmp_path, monkeypatch) -> None:
    """Its last evaluation is made when the run is resumed, and what follows must not begin."""
    advance = Trainer.advance

    def press(trainer):
        value = advance(trainer)
        if trainer.done:
            os.kill(os.getpid(), signal.SIGINT)
        return value

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "advance", press)
        with pytest.raises(KeyboardInterrupt):
            train(RECIPE, images, root=tmp_path)
    whole = train(RECIPE, images, root=tmp_path / "whole")
    run = RunFolder(tmp_path, RECIPE.config(images, "cpu"))
    assert run.result() is None
    assert train(RECIPE, images, root=tmp_path)["curve"] == whole["curve"]


def test_a_deadline_stops_and_leaves_it_resumable(images, tmp_path) -> None:
    whole = train(RECIPE, images, root=tmp_path / "whole")
    assert train(RECIPE, images, root=tmp_path / "parts", deadline=time.monotonic()) is None
    assert train(RECIPE, images, root=tmp_path / "parts")["curve"] == whole["curve"]


def test_a_second_process_refuses_or_waits(images, tmp_path, capfd) -> None:
    run = RunFolder(tmp_path, RECIPE.config(images, "cpu"))
    with ThreadPoolExecutor() as pool:
        with run.held():
            with pytest.raises(UserError, match="another process is working"):
                train(RECIPE, images, root=tmp_path)
            waiting = pool.submit(_hold, run)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
        assert waiting.result(timeout=20)
    assert "waiting for it" in capfd.readouterr().err


def _hold(run: RunFolder) -> bool:
    with RunFolder(run.folder.parent, run.config).held(wait=-1):
        return True


def test_probes_are_recorded_with_every_evaluation(images, tmp_path, monkeypatch) -> None:
    def look(now):
        assert now.inputs.shape == (8, 3, 32, 32)
        return {
            "step": now.step,
            "loss": now.loss(now.model(now.inputs), now.targets),
        }

    monkeypatch.setitem(CALLBACKS, "look", look)
    with_probe = train(replace(RECIPE, metrics=("look",)), images, root=tmp_path)
    assert [row["look"]["step"] for row in with_probe["curve"]] == [0, 2, 4, 6]
    assert all(row["look"]["loss"] > 0 for row in with_probe["curve"])
    with pytest.raises(UserError, match="metric 'lok': must be one of"):
        train(replace(RECIPE, metrics=("lok",)), images, root=tmp_path)


def test_a_deep_linear_network_learns_its_map(tmp_path) -> None:
    network = {"family": "linear", "depth": 2, "width": 10}
    training_config = TrainingConfig(
        network=network, steps=100, rate=0.02, momentum=0.0, decay=0.0, every=50
    )
    curve = train(training_config, LinearMap(samples=50), root=tmp_path)["curve"]
    assert curve[-1]["evaluated loss"] < 0.2 * curve[0]["evaluated loss"]
    assert "test accuracy" not in curve[0]


def test_an_initialisation_may_look_at_the_first_batch(images, tmp_path) -> None:
    trainer = Trainer(replace(RECIPE, network=NETWORK | {"norm": "none", "init": "lsuv"}), images)
    inputs, _ = trainer.task.batch(0)
    out = trainer.model.conv1(inputs)
    assert out.std().item() == pytest.approx(1, rel=1e-3)


def test_evaluations_look_at_as_many_images_as_are_asked_for(images, tmp_path) -> None:
    curve = train(replace(RECIPE, tested=3), images, root=tmp_path)["curve"]
    assert all(
        row["test accuracy"] in (0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1) for row in curve
    )


def test_divergence_is_a_result(images, tmp_path) -> None:
    result = train(replace(RECIPE, rate=1e6, momentum=0.0), images, root=tmp_path)
    assert 1 <= result["diverged"] <= RECIPE.steps
    last = result["curve"][-1]
    assert last["step"] == result["diverged"]
    assert last["loss"] is None
    json.dumps(result, allow_nan=False)


def test_it_learns(tmp_path) -> None:
    """Against chance: without this, every other test would pass on a loop that does nothing."""
    training_config = TrainingConfig(network=NETWORK, steps=150, rate=0.1, batch=32, every=150)
    result = train(training_config, load("digits", limit=400), root=tmp_path)
    first, last = result["curve"]
    assert first["test accuracy"] < 0.3
    assert last["test accuracy"] > 0.5


def test_the_step_is_that_of_pytorch_written_out(images) -> None:
    training_config = replace(RECIPE, augment=False)
    trainer = Trainer(training_config, images)
    weight = trainer.model.linear.weight
    before = weight.detach().clone()
    inputs, labels = trainer.task.batch(0)
    trainer.model.train()
    loss = functional.cross_entropy(trainer.model(inputs), labels)
    (gradient,) = torch.autograd.grad(loss, weight)
    assert trainer.update() == pytest.approx(loss.item(), rel=1e-5)
    expected = before - training_config.rate * (gradient + training_config.decay * before)
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-4, atol=1e-6)


def test_the_optimiser_is_pytorchs_also_after_a_restart(images) -> None:
    """One loop over all entries of a kernel, which must be stored in the order of its momentum."""
    trainer, plain = Trainer(RECIPE, images), Trainer(RECIPE, images)
    plain.optimiser = torch.optim.SGD(
        plain.model.parameters(),
        lr=RECIPE.rate,
        momentum=RECIPE.momentum,
        weight_decay=RECIPE.decay,
        foreach=False,
    )
    for _ in range(2):
        for one in (trainer, plain):
            one.update()
        saved = io.BytesIO()
        torch.save(trainer.state(), saved)
        saved.seek(0)
        trainer = Trainer(RECIPE, images)
        trainer.load(torch.load(saved, weights_only=True))
    expected = plain.model.state_dict()
    for key, value in trainer.model.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-4, atol=1e-6)


def test_a_step_trains_whatever_mode_the_network_was_left_in(images) -> None:
    """Batch statistics, and running ones that move: not those of an evaluation."""
    usual, left = Trainer(RECIPE, images), Trainer(RECIPE, images)
    left.model.eval()
    assert left.update() == usual.update()
    expected = usual.model.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in left.model.state_dict().items())


def test_every_image_is_seen_once_an_epoch(images) -> None:
    trainer = Trainer(replace(RECIPE, augment=False), images)
    seen = [trainer.task.batch(step)[0] for step in range(trainer.task.epoch_steps)]
    plain = trainer.task.pixels.plain(images.train.pixels)
    sums = torch.cat(seen).sum((1, 2, 3)).sort().values
    torch.testing.assert_close(sums, plain.sum((1, 2, 3)).sort().values)
    assert not torch.equal(
        trainer.task.batch(0)[0], trainer.task.batch(trainer.task.epoch_steps)[0]
    )


@pytest.mark.parametrize(
    ("schedule", "rates"), [("constant", [1, 1, 1, 1]), ("step", [1, 1, 0.1, 0.01])]
)
def test_schedules(images, tmp_path, schedule, rates) -> None:
    training_config = replace(RECIPE, schedule=schedule, steps=12, every=3, rate=1e-3)
    curve = train(training_config, images, root=tmp_path)["curve"]
    assert [row["rate"] for row in curve[:4]] == pytest.approx([1e-3 * rate for rate in rates])


@pytest.mark.parametrize("schedule", ["constant", "step", "plateau"])
def test_a_warm_up_has_a_small_rate_and_then_the_schedule(images, tmp_path, schedule) -> None:
    given = replace(RECIPE, schedule=schedule, steps=12, every=1, rate=0.03)
    curve = train(replace(given, warm_up=4), images, root=tmp_path)["curve"]
    cold = train(given, images, root=tmp_path)["curve"]
    assert [row["rate"] for row in curve[:4]] == [WARM_UP] * 4
    assert [row["rate"] for row in curve[4:]] == [row["rate"] for row in cold[4:]]
    assert curve[0]["step"] == 0
    # The first update of both runs sees the same loss, and moves by less in the warmed-up one.
    assert curve[1]["loss"] == cold[1]["loss"]
    assert curve[2]["loss"] != cold[2]["loss"]


def test_a_warm_up_does_not_raise_a_small_rate(images) -> None:
    trainer = Trainer(replace(RECIPE, rate=1e-3, warm_up=4), images)
    assert trainer.progress.rate == trainer.optimiser.param_groups[0]["lr"] == 1e-3


def test_plateau_waits_for_epochs_without_progress(images, monkeypatch) -> None:
    trainer = Trainer(replace(RECIPE, schedule="plateau", steps=1000), images)
    trainer.progress.best = 0.0  # nothing is ever better
    rates = []
    for step in range(1, 2 * PATIENCE * trainer.task.epoch_steps + 1):
        trainer.progress.step = step
        trainer.progress.count(step, 1.0, trainer.training_config, trainer.task.epoch_steps)
        trainer.schedule()
        rates.append(trainer.optimiser.param_groups[0]["lr"])
    assert rates[PATIENCE * trainer.task.epoch_steps - 2] == RECIPE.rate
    assert rates[PATIENCE * trainer.task.epoch_steps - 1] == pytest.approx(RECIPE.rate / 10)
    assert rates[-1] == pytest.approx(RECIPE.rate / 100)


def test_crops_are_crops_of_the_padded_image(images) -> None:
    pixels = Pixels(images, "cpu")
    rows = torch.arange(40)
    got, labels = pixels.train(rows, Crops.drawn(40, [torch.Generator().manual_seed(3)])[0])
    assert torch.equal(labels, images.train.labels[rows])
    assert got.is_contiguous(memory_format=torch.channels_last)
    whole = functional.pad(images.standardise(images.train.pixels), (PAD,) * 4)
    places = set()
    for image, crop in zip(whole, got, strict=True):
        found = [
            (y, x, mirror)
            for y in range(2 * PAD + 1)
            for x in range(2 * PAD + 1)
            for mirror in (False, True)
            if torch.allclose(
                image[:, y : y + 32, x : x + 32].flip(2)
                if mirror
                else image[:, y : y + 32, x : x + 32],
                crop,
                atol=1e-6,
            )
        ]
        assert found
        places.add(found[0])
    assert len(places) > 20
    plain, _ = pixels.train(rows, None)
    torch.testing.assert_close(plain, images.standardise(images.train.pixels))


def test_bfloat16_is_near_float32(images, tmp_path) -> None:
    exact = train(RECIPE, images, root=tmp_path)["curve"]
    short = train(replace(RECIPE, precision="bfloat16"), images, root=tmp_path)["curve"]
    assert exact != short
    assert short[1]["loss"] == pytest.approx(exact[1]["loss"], rel=0.05)


def test_the_first_losses_are_kept_through_a_stop(images, tmp_path) -> None:
    losses: list[float] = []
    trainer = Trainer(RECIPE, images)
    while not trainer.done:
        losses.append(trainer.update())
    assert RECIPE.steps > FIRST
    assert train(RECIPE, images, root=tmp_path, until=3) is None
    assert train(RECIPE, images, root=tmp_path)["first losses"] == losses[:FIRST]


def test_the_loss_of_a_run_that_diverges_at_once_is_kept(images, tmp_path) -> None:
    result = train(replace(RECIPE, limit=1e-9), images, root=tmp_path)
    assert result["diverged"] == 1
    assert len(result["first losses"]) == 1


def test_the_global_random_state_is_left_alone(images, tmp_path) -> None:
    before = torch.get_rng_state()
    train(RECIPE, images, root=tmp_path, until=1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps 0: must be at least 1"),
        ({"rate": 0.0}, "rate 0.0: must be positive and finite"),
        ({"rate": float("nan")}, "rate nan"),
        ({"momentum": 1.0}, "momentum 1.0: must be at least 0 and below 1"),
        ({"decay": -1.0}, "decay -1.0"),
        ({"schedule": "cosine"}, "schedule 'cosine': must be one of constant, step, plateau"),
        ({"precision": "float8"}, "precision 'float8'"),
        ({"batch": 100}, "digits: batch 100: choose from 1 to the 40"),
        ({"network": {"family": "vit"}}, "network family 'vit': must be one of resnet"),
        ({"network": {"family": "resnet", "depth": 9}}, "network resnet: depth 9: must be 6n"),
        ({"network": {"family": "resnet", "dep": 8}}, "network resnet: .*'dep'"),
        ({"network": NETWORK | {"norm": "x"}}, "network resnet: norm 'x': must be one of"),
    ],
)
def test_bad_recipes_are_named_in_one_line(images, tmp_path, change, message) -> None:
    with pytest.raises(UserError, match=message):
        train(replace(RECIPE, **change), images, root=tmp_path)


def test_two_sets_of_one_name_are_two_configurations(images, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    other = Images(images.name, Split(255 - images.train.pixels, images.train.labels), images.test)
    assert RECIPE.config(images, "cpu") != RECIPE.config(other, "cpu")
    assert RECIPE.config(images, "cpu") != RECIPE.config(images, "cuda")


def test_no_file_is_left_outside_the_run(images, tmp_path: Path) -> None:
    train(RECIPE, images, root=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} <= {
        "config.json",
        "lock",
        "metrics.jsonl",
        "result.json",
    }
