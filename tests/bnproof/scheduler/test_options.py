"""The engine that the options of a command ask for."""

import pytest

from bnproof.scheduler import resources
from bnproof.scheduler.options import Workers
from bnproof.theory.common.errors import UserError


@pytest.fixture
def gpus_of(monkeypatch):
    """The GPUs of each process, on a pretended machine of 2 GPUs, 16 cores, and memory enough."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(resources, "cores", lambda: 16)
    monkeypatch.setattr("bnproof.simulate.memory.free", lambda: 1 << 40)
    monkeypatch.setattr("bnproof.scheduler.local.Processes", lambda threads, each: each)

    def of(share: float, **options) -> list[str]:
        engine = Workers(**options).start(8, device="cuda", memory=1 << 30, share=share)
        return [environment["CUDA_VISIBLE_DEVICES"] for environment in engine]

    return of


def test_gpus_are_shared_as_the_command_does_unless_the_user_says_otherwise(gpus_of) -> None:
    assert gpus_of(1.0) == ["0", "1"]
    assert gpus_of(0.5) == ["0", "1", "0", "1"]
    assert gpus_of(1.0, gpus_per_job=0.5) == ["0", "1", "0", "1"]
    assert gpus_of(0.5, gpus_per_job=1) == ["0", "1"]
    assert gpus_of(0.5, gpus="1") == ["1", "1"]
    assert gpus_of(0.5, jobs=3) == ["0", "1", "0"]


def test_a_share_of_gpus_needs_gpus(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=r"--gpus-per-job 0\.5: the jobs run on the CPU; remove"):
        Workers(gpus_per_job=0.5).start(8, device="cpu", memory=1)
    shared = Workers(engine="ray", gpus_per_job=0.5)
    with pytest.raises(UserError, match=r"--gpus-per-job 0\.5: PyTorch finds no GPU here"):
        shared.device("auto")
    assert shared.device("cpu") == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert shared.device("auto") == shared.device("cuda") == "cuda"
    assert Workers(engine="ray").device("auto") == "cpu"
