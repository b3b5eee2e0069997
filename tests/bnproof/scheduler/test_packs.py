"""Runs that differ only in their seed are one job, and each has its own result."""

import pickle
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, Control, Criterion, Experiment
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Size
from bnproof.scheduler import packs
from bnproof.scheduler.jobs import Training, seeds
from bnproof.scheduler.local import Inline
from bnproof.scheduler.packs import Pack, packed, packed_seeds
from bnproof.scheduler.schedule import run
from bnproof.theory.claim import Scale, Settings

CONFIG = TrainingConfig(
    network={"family": "dense", "hidden": 2},
    steps=3,
    rate=0.01,
    batch=8,
    tested=10,
    mode="fast",
)


@pytest.fixture
def jobs(tmp_path, monkeypatch, pretended_gpu) -> list[Training]:
    """Five seeds of one network and one of another, on a pretended GPU."""
    configs = [replace(CONFIG, seed=seed) for seed in range(5)]
    configs.append(replace(CONFIG, rate=0.02))
    return [Training(config, "digits", 40, tmp_path, "cuda") for config in configs]


def members(job: Training) -> list[int]:
    return [one.training_config.seed for one in job.pack.members] if job.pack else []


def test_runs_of_one_configuration_are_packed(jobs, monkeypatch) -> None:
    assert [members(job) for job in packed(jobs)] == [[0, 1, 2, 3, 4]] * 5 + [[]]
    monkeypatch.setattr(packs, "LARGEST", 2)
    found = packed(jobs)
    assert [members(job) for job in found] == [[0, 1], [0, 1], [2, 3], [2, 3], [], []]
    assert [job.key for job in found] == [job.key for job in jobs]
    pack = pickle.loads(pickle.dumps(found[0].pack))
    assert pack == found[0].pack
    assert pack.key == found[1].pack.key != found[2].pack.key
    assert pack.name == "dense 2, rate 0.01, 2 seeds"


def test_what_is_exact_is_not_packed(jobs) -> None:
    configs = [replace(job.training_config, mode="exact") for job in jobs]
    exact = [replace(job, training_config=one) for job, one in zip(jobs, configs, strict=True)]
    assert packed(exact) == exact


def test_what_is_on_a_cpu_is_not_packed(jobs) -> None:
    here = [replace(job, device="cpu") for job in jobs]
    assert packed(here) == here


def test_a_pack_gives_every_run_its_result(jobs, recorders, pretended_gpu) -> None:
    with pretended_gpu:
        planned = packed(jobs)
        ended = {job.key: outcome for job, outcome in run(planned, Inline(1))}
        again = packed(jobs)
    assert {outcome.status for outcome in ended.values()} == {"done"}
    assert len(ended) == 7  # the pack too
    assert len(recorders) == 2  # one for the pack
    results = [job.run.result() for job in jobs]
    assert [result["execution"] for result in results] == [
        *["stack of 5, CUDA graph"] * 5,
        "CUDA graph",
    ]
    assert not any(job.pack for job in again)


def measured(trial):
    """One run for each seed, and one for its control."""
    runs = [
        trial.train(CONFIG.network, rate=0.01, seed=seed, tested=10)
        for seed in (trial.seed, trial.other_seed)
    ]
    found = {"accuracy": runs[0].last("test accuracy")}
    return {WITH: found, WITHOUT: found, CONTROL: {"accuracy": runs[1].last("test accuracy")}}


def test_seeds_of_an_experiment_share_packs(
    tmp_path, monkeypatch, recorders, pretended_gpu
) -> None:
    size = Size(batch=8, seeds=2, updates=3, images=40)
    experiment = Experiment(
        run=measured,
        criteria=(Criterion(net=WITH, quantity="accuracy", words="accuracy", at_most=2),),
        controls=(Control("made up", passes=False),),
        draw=lambda fig, evidence: "",
        sizes=dict.fromkeys(Scale, size),
    )
    claim = SimpleNamespace(id="toy", check_of=lambda kind: experiment)
    monkeypatch.setattr("bnproof.scheduler.jobs.load_claim", lambda id, folder: claim)
    settings = Settings(scale=Scale.SMOKE, device="cuda", mode="fast")
    with pretended_gpu:
        planned = packed_seeds(seeds("toy", settings, tmp_path))
        ended = [(job, outcome.status) for job, outcome in run(planned, Inline(1))]
        exact = packed_seeds(seeds("toy", replace(settings, mode="exact"), tmp_path))
    (pack,) = planned[0].packs
    assert [one.training_config.seed for one in pack.members] == [0, 1000, 1, 1001]
    assert planned[1].packs == (pack,)
    assert [(job.name, status) for job, status in ended] == [
        ("dense 2, rate 0.01, 4 seeds", "done"),
        ("toy, seed 0", "done"),
        ("toy, seed 1", "done"),
    ]
    assert len(recorders) == 1
    assert [seed.packs for seed in exact] == [(), ()]


def test_a_pack_planned_elsewhere_is_refused(jobs, monkeypatch) -> None:
    pack = packed(jobs)[0].pack
    assert isinstance(pack, Pack)
    monkeypatch.setattr(Training, "key", "another")
    (first, *_) = run([pack], Inline(1))
    assert first[1].status == "failed"
    assert "planned on a different machine" in first[1].note
