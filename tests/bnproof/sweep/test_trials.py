"""What a trial of a sweep becomes: a job whose data every process finds."""

from pathlib import Path

import pytest

from bnproof.empirical.data import cifar10
from bnproof.empirical.data.remote import VARIABLE
from bnproof.empirical.training.tasks import LinearMap
from bnproof.scheduler.jobs import Seed, Training
from bnproof.sweep.plan import trials
from bnproof.sweep.trials import job_of

FILES = {
    "run": '[run]\nsteps = 3\nrate = 0.1\nnetwork.family = "vgg"\n[grid]\nseed = [0]\n',
    "experiment": '[experiment]\nid = "bjorck_fig2"\n[grid]\nseed = [0]\n',
}


def data_of(kind: str, data: str, out: Path) -> str:
    (trial,) = trials(FILES[kind], data)
    job = job_of(trial, out, "cpu")
    assert isinstance(job, Training if kind == "run" else Seed)
    return str(job.data if isinstance(job, Training) else job.settings.data)


@pytest.mark.parametrize("kind", FILES)
def test_the_data_of_a_job_are_found_by_every_process(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    for name in (*cifar10.TEST_FILES, *cifar10.TRAIN_FILES):
        path = tmp_path / "data" / "cifar10" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert data_of(kind, "cifar10", tmp_path) == str(tmp_path / "data" / "cifar10")
    assert data_of(kind, "mine", tmp_path) == str(tmp_path / "mine")
    assert data_of(kind, "digits", tmp_path) == "digits"


def test_a_linear_map_is_no_path(tmp_path: Path) -> None:
    assert data_of("run", LinearMap.name, tmp_path) == LinearMap.name
