"""Mode "fast" on a CPU: the updates of mode "exact" within rounding, all else unchanged."""

import shutil
from copy import deepcopy
from dataclasses import replace
from statistics import median

import pytest
import torch

from bnproof.empirical.data.images import Images
from bnproof.empirical.data.load import load
from bnproof.empirical.networks import fused
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import FUSED, Trainer, train
from bnproof.simulate.threads import one_thread
from bnproof.theory.common.errors import UserError

pytestmark = pytest.mark.skipif(not any(map(shutil.which, fused.COMPILERS)), reason="no C compiler")
NETWORKS = {
    "resnet": {"family": "resnet", "depth": 8},
    "resnet, noisy": {"family": "resnet", "depth": 8, "norm": "noisy"},
    "vgg": {"family": "vgg", "width": 16},
}
RECIPE = TrainingConfig(
    network=NETWORKS["resnet"], steps=6, rate=0.05, batch=16, every=3, augment=True, tested=20
)


@pytest.fixture(scope="module")
def photos() -> Images:
    return load("photos", limit=100)


@pytest.fixture(autouse=True)
def alone():
    with one_thread():
        yield


def losses(config: TrainingConfig, images: Images) -> list[float]:
    """The losses before each update."""
    torch.manual_seed(config.seed)
    trainer = Trainer(config, images)
    found = [trainer.update() for _ in range(config.steps)]
    assert trainer.execution == (FUSED if config.mode == "fast" else "eager")
    return found


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("precision", "close"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_the_loss_is_that_of_the_exact_mode(photos, network, precision, close) -> None:
    config = replace(RECIPE, network=NETWORKS[network], precision=precision)
    fast = replace(config, mode="fast")
    found = losses(fast, photos)
    assert found[0] == pytest.approx(losses(config, photos)[0], rel=close)
    assert found == losses(fast, photos)  # in a fixed order


@pytest.mark.parametrize("network", ["resnet", "vgg"])
def test_gradients_are_as_accurate_as_pytorchs(photos, network) -> None:
    trainer = Trainer(replace(RECIPE, network=NETWORKS[network]), photos)
    inputs, targets = trainer.task.batch(0)

    def gradients(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
        model = deepcopy(trainer.model).to(dtype).train()
        loss = trainer.task.loss(model(inputs.to(dtype)), targets)
        return list(torch.autograd.grad(loss, list(model.parameters())))

    exact, usual = gradients(torch.float64), gradients()
    with fused.fused():
        fast = gradients()
    # The median, because a ReLU that rounding switches changes the gradients below it by more.
    errors = [
        median(((a - b).norm() / b.norm()).item() for a, b in zip(some, exact, strict=True))
        for some in (fast, usual)
    ]
    assert errors[0] < 1e-5
    assert errors[0] <= 2 * errors[1]


def test_the_loops_are_used_for_updates_only(photos, monkeypatch) -> None:
    calls = []
    usual = fused._batch_norm
    monkeypatch.setattr(fused, "_batch_norm", lambda *given: calls.append(1) or usual(*given))
    trainer = Trainer(replace(RECIPE, mode="fast"), photos)
    trainer.evaluate()
    trainer.forward(trainer.reference)
    assert not calls
    trainer.update()
    assert len(calls) == 7  # all but the BN of two projections
    calls.clear()
    Trainer(RECIPE, photos).update()
    assert not calls


def test_a_run_that_was_stopped_gives_the_same_numbers(photos, tmp_path) -> None:
    config = replace(RECIPE, mode="fast")
    whole = train(config, photos, root=tmp_path / "whole")
    assert train(config, photos, root=tmp_path / "parts", until=2) is None
    parts = train(config, photos, root=tmp_path / "parts")
    assert whole is not None
    assert parts is not None
    assert whole["execution"] == FUSED
    assert parts["curve"] == whole["curve"]
    exact = train(RECIPE, photos, root=tmp_path / "whole")
    assert exact is not None
    assert exact["execution"] == "eager"


def test_with_several_threads_pytorch_computes_and_a_line_says_so(
    photos, capsys, monkeypatch
) -> None:
    torch.set_num_threads(2)
    monkeypatch.setattr(fused, "_batch_norm", pytest.fail)
    trainer = Trainer(replace(RECIPE, mode="fast"), photos)
    trainer.update()
    assert trainer.execution == "eager: 2 threads, and the loops in C use one"
    err = capsys.readouterr().err
    assert err == f"mode 'fast': {trainer.execution}; set OMP_NUM_THREADS=1\n"


def test_without_a_compiler_training_does_not_begin(photos, monkeypatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(fused, "COMPILERS", ())
    fused.library.cache_clear()
    with pytest.raises(UserError, match="mode 'fast': needs a C compiler on a CPU"):
        Trainer(replace(RECIPE, mode="fast"), photos)
