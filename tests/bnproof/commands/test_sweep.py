"""A sweep on this machine: what is looked up, what is refused, and the table."""

import csv
import sys
from pathlib import Path

import pytest
import torch

from bnproof import cli
from bnproof.empirical.data.load import load
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.sweep.plan import GridPoint
from bnproof.sweep.table import as_csv, as_text
from bnproof.sweep.trials import job_of, shown

FILE = """
[run]
rate = 0.05
batch = 8
data = "digits"
images = 40
network.family = "resnet"
network.depth = 8

[grid]
steps = [2]
"""


def snapshot(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def table(out: Path) -> list[dict[str, str]]:
    with (out / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "sweep.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bnproof", "sweep", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def test_what_is_done_is_not_started(run, tmp_path, monkeypatch) -> None:
    out = tmp_path / "runs"
    training_config = TrainingConfig(
        network={"family": "resnet", "depth": 8}, steps=2, rate=0.05, batch=8
    )
    result = train(training_config, load("digits", limit=40), root=out)
    (folder,) = out.iterdir()
    before = snapshot(folder)
    monkeypatch.setattr("bnproof.scheduler.schedule._Plan.next", None)  # to begin a job would fail
    file = tmp_path / "sweep.toml"
    file.write_text(FILE)
    assert run(file, "--out", out)[0] == 0
    (row,) = table(out)
    assert (row["steps"], row["status"], row["folder"]) == ("2", "done", folder.name)
    assert float(row["test accuracy"]) == result["curve"][-1]["test accuracy"]
    assert snapshot(folder) == before


def test_divergence_is_a_result(run, tmp_path) -> None:
    out = tmp_path / "runs"
    training_config = TrainingConfig(
        network={"family": "resnet", "depth": 8}, steps=9, rate=1e6, batch=8
    )
    result = train(training_config, load("digits", limit=40), root=out)
    file = tmp_path / "sweep.toml"
    file.write_text(FILE.replace("0.05", "1e6").replace("[2]", "[9]"))
    assert run(file, "--out", out)[0] == 0
    (row,) = table(out)
    assert (row["status"], row["diverged"]) == ("done", str(result["diverged"]))


def test_a_bad_trial_is_one_line_of_the_table(run, tmp_path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(FILE.replace("batch = 8", "batch = 41"))
    status, text, _ = run(file, "--out", tmp_path / "runs")
    assert status == 1
    (row,) = table(tmp_path / "runs")
    assert row["status"] == "failed"
    assert row["note"].startswith("digits: batch 41: choose")
    assert "1 failed" in text


def test_an_experiment_is_looked_up_where_it_is_kept(tmp_path) -> None:
    fields = {"id": "bjorck_fig2", "scale": "smoke", "seed": 3, "precision": "bfloat16"}
    job = job_of(GridPoint("experiment", fields | {"mode": "fast"}, {}), tmp_path, "cuda")
    assert (job.settings.precision, job.settings.mode) == ("bfloat16", "fast")
    job = job_of(GridPoint("experiment", fields | {"mode": "exact"}, {}), tmp_path, "cpu")
    assert not job.done()
    job.carry_out()
    result = job.run.result()
    assert result is not None
    assert all(isinstance(value, float) for value in shown(job, result).values())


def test_without_ray_it_is_one_line(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    file = tmp_path / "sweep.toml"
    file.write_text(FILE)
    status, out, err = run(file, "--out", tmp_path / "runs", "--engine", "ray")
    assert (status, out) == (2, "")
    assert err == "bnproof: --engine ray: needs Ray; run `pip install 'bnproof[ray]'`\n"


def test_the_table() -> None:
    rows = [{"rate": 0.1, "status": "done", "loss": 1 / 3}, {"rate": 0.5, "note": 'a, "b"'}]
    assert as_csv(rows).splitlines() == [
        "rate,status,loss,note",
        "0.1,done,0.3333333333333333,",
        '0.5,,,"a, ""b"""',
    ]
    assert as_text(rows).splitlines()[1] == "0.1   done    0.3333"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--jobs", 0), "--jobs 0: must be at least 1"),
        (("--retries", -1), "--retries -1: must be at least 0"),
        (("--time-limit", 0), "--time-limit 0.0: must be positive and finite"),
        (("--threads", 0), "--threads 0: must be at least 1"),
        (("--address", "auto"), "--address auto: needs --engine ray"),
        (
            ("--gpus-per-job", 1.5),
            "--gpus-per-job 1.5: must be a fraction of 1",
        ),
        (
            ("--gpus-per-job", -1),
            "--gpus-per-job -1: must be a fraction of 1",
        ),
        (("--engine", "ray", "--gpus", "0"), "--gpus 0: needs --engine local"),
        (("--engine", "ray", "--device", "cuda"), "needs --gpus-per-job as well"),
        (("--data", "nowhere"), "nowhere"),
        (("--engine", "slurm"), "slurm"),
    ],
)
def test_bad_options_are_one_line(file, run, tmp_path, options, message) -> None:
    status, out, err = run(file, "--out", tmp_path / "runs", *options)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("bnproof: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("runs/*"))
