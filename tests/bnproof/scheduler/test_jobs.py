"""Seeds of experiments and what they share: asked for once, carried out once, the same numbers."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bnproof.catalogue import load_claim
from bnproof.empirical.runner import measure
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.scheduler.drive import drive, pending
from bnproof.scheduler.job import WaitError
from bnproof.scheduler.jobs import Seed, SharedPart, Training, foreseen, seeds
from bnproof.scheduler.local import Inline
from bnproof.simulate import machine
from bnproof.theory.claim import Scale, Settings
from bnproof.theory.common.errors import UserError

SMOKE = Settings(scale=Scale.SMOKE)
CLAIM = """
from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment
from bnproof.empirical.trial import Size
from bnproof.theory.claim import Claim, Scale, Verdict
from bnproof.theory.sources import Source

NETWORK = {{"family": "resnet", "depth": 8}}
SIZES = {{scale: Size(batch=8, seeds=2, updates=3, images=20) for scale in Scale}}
DIGITS = "digits of the seed"


def run(trial):
    runs = {{
        net: trial.train(NETWORK | {{"norm": norm}}, rate=0.01, every=1, tested=10)
        for net, norm in ((WITH, "batch"), (WITHOUT, "none"), (CONTROL, "layer"))
    }}
    shared = trial.shared(DIGITS, {{"code": "1"}}, lambda: {{"digits": {{"sum": trial.seed}}}})
    return {{
        net: {{"curve": found.column("loss"), "{quantity}": shared["digits"]["sum"] + 1.0}}
        for net, found in runs.items()
    }}


CLAIM = Claim(
    id="{id}",
    title="t",
    sources=(Source("derived", "test"),),
    statement="x",
    expected=Verdict.REPRODUCED,
    checks=(
        Experiment(
            run=run,
            criteria=(Criterion(net=WITHOUT, quantity="{quantity}", at_most=9, words="w"),),
            controls=(),
            draw=lambda fig, evidence: "a toy",
            sizes=SIZES,
        ),
    ),
)
"""


@pytest.fixture
def user_claims(tmp_path) -> Path:
    folder = tmp_path / "claims"
    folder.mkdir()
    for name in ("first", "second"):
        (folder / f"{name}.py").write_text(CLAIM.format(id=name, quantity=f"order of {name}"))
    return folder


def test_a_seed_asks_for_all_at_once(user_claims, tmp_path) -> None:
    (seed, _) = seeds("first", SMOKE, tmp_path, user_claims=user_claims)
    with pytest.raises(WaitError) as wait:
        seed.carry_out()
    found = {part.name: part for part in wait.value.needs}
    norms = ("batch", "none", "layer")
    runs = [f"resnet 8 {norm}, rate 0.01, seed 0" for norm in norms]
    assert list(found) == [*runs, "digits of the seed, seed 0"]
    assert not any(part.done() for part in found.values())
    found[runs[1]].carry_out()
    assert [part.done() for part in found.values()] == [False, True, False, False]
    with pytest.raises(WaitError) as wait:
        seed.carry_out()
    assert [part.name for part in wait.value.needs] == [runs[0], runs[2], list(found)[-1]]


def test_what_two_experiments_share_is_done_once_to_the_same_numbers(
    user_claims, tmp_path, monkeypatch
) -> None:
    jobs = [
        seed
        for name in ("first", "second")
        for seed in seeds(name, SMOKE, tmp_path, user_claims=user_claims)
    ]
    done = []
    carry_out = SharedPart.carry_out
    monkeypatch.setattr(
        SharedPart, "carry_out", lambda job: (done.append(job.name), carry_out(job))
    )
    lines = []

    def ended(job, outcome):
        assert outcome.status == "done", outcome
        lines.append(job.name)

    assert drive(jobs, Inline(torch.get_num_threads()), ended, unit="seeds", total=4)
    assert len(done) == len(set(done)) == 8  # three runs and a part for each of two seeds
    assert len(lines) == 12
    assert pending(jobs) == []
    monkeypatch.setattr("bnproof.empirical.runner._measured", None)  # to measure would fail
    found = measure(load_claim("second", user_claims), SMOKE, root=tmp_path)
    monkeypatch.undo()
    separate = measure(load_claim("second", user_claims), SMOKE, root=tmp_path / "alone")
    for net, rows in separate.series.items():
        for name, values in rows.items():
            assert np.array_equal(values, found.series[net][name], equal_nan=True)


def test_an_experiment_that_fails_in_a_part_fails_by_its_own_words(user_claims, tmp_path) -> None:
    text = CLAIM.format(id="first", quantity="q").replace('"layer"', '"no such norm"')
    (user_claims / "first.py").write_text(text)
    (seed, _) = seeds("first", SMOKE, tmp_path, user_claims=user_claims)
    ended = {}
    drive(
        [seed], Inline(1), lambda job, outcome: ended.update({job.name: outcome}), unit="", total=1
    )
    assert ended["first, seed 0"].status == "failed"
    assert "no such norm" in ended["first, seed 0"].note


def test_what_is_foreseen_measures_nothing_and_stops_nothing(user_claims, tmp_path, capsys) -> None:
    """One experiment trains nothing, one fails where it asks for its runs, and one trains."""
    text = CLAIM.format(id="untrained", quantity="q").replace("updates=3", "updates=0")
    heading = "def run(trial):\n"
    (user_claims / "untrained.py").write_text(text.replace(heading, f"{heading}    print('ran')\n"))
    text = CLAIM.format(id="first", quantity="q")
    (user_claims / "first.py").write_text(text.replace(heading, f"{heading}    1 / 0\n"))
    jobs = [
        seed
        for name in ("untrained", "first", "second")
        for seed in seeds(name, SMOKE, tmp_path, user_claims=user_claims)
    ]
    found = foreseen(jobs)
    assert len(found) == 6  # three runs for each of two seeds
    assert capsys.readouterr().out == ""
    assert all(job.left == 1 for job in found)
    found[0].carry_out()
    assert [job.key for job in foreseen(jobs)] == [job.key for job in found[1:]]
    config, images = found[1].training_config, found[1].read()
    assert train(config, images, root=tmp_path, until=2) is None
    assert found[1].left == pytest.approx(1 / 3)


def test_keys_tell_what_a_seed_depends_on(user_claims, tmp_path) -> None:
    seed = Seed("first", SMOKE, tmp_path, user_claims=user_claims)
    keys = {
        seed.key,
        replace(seed, settings=replace(SMOKE, seed=1)).key,
        replace(seed, settings=replace(SMOKE, scale=Scale.QUICK)).key,
        replace(seed, settings=replace(SMOKE, data=Path("digits"))).key,
        replace(seed, id="second").key,
    }
    assert len(keys) == 5
    path = user_claims / "first.py"
    path.write_text("# a comment\n" + path.read_text())
    assert Seed("first", SMOKE, tmp_path, user_claims=user_claims).key == seed.key
    path.write_text(path.read_text().replace("rate=0.01", "rate=0.02"))
    assert Seed("first", SMOKE, tmp_path, user_claims=user_claims).key != seed.key


def test_a_job_is_refused_if_its_key_differs_here(user_claims, tmp_path, monkeypatch) -> None:
    """As on a cluster of different machines: nobody would find the measurements."""
    (seed, _) = seeds("first", SMOKE, tmp_path, user_claims=user_claims)
    config = TrainingConfig(network={"family": "resnet", "depth": 8}, steps=1, rate=0.1, batch=8)
    training = Training(config, "digits", 20, tmp_path, "cpu")
    travelled = [pickle.loads(pickle.dumps(job)) for job in (seed, training) if job.key]
    monkeypatch.setattr(machine, "processor", lambda: {"processor": "Another 9"})
    for job in travelled:
        with pytest.raises(UserError, match=r"^Another 9: this run was planned on a different"):
            job.carry_out()
    with pytest.raises(UserError, match=r"^Another 9"):
        travelled[0].carry_out_part("key")
    assert not list(tmp_path.glob("*/result.json"))
