"""A sweep on this machine: how processes end, what is looked up, and the table."""

import csv
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bnproof import cli
from bnproof.commands.sweep import _terminable
from bnproof.empirical.data.load import load
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.sweep import local, on_ray, process
from bnproof.sweep.table import as_csv, as_text
from bnproof.sweep.trials import task
from bnproof.theory.common.errors import UserError

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
PATIENCE = 120.0  # seconds; a test that waits longer fails


def wait(until: Callable[[], object]) -> None:
    begun = time.monotonic()
    while not until():
        assert time.monotonic() - begun < PATIENCE
        time.sleep(0.02)


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
    monkeypatch.setattr(local, "Process", None)
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


def test_the_end_of_a_batch_job_is_like_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), _terminable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_bad_trial_is_one_line_of_the_table(run, tmp_path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(FILE.replace("batch = 8", "batch = 41"))
    status, text, _ = run(file, "--out", tmp_path / "runs")
    assert status == 1
    (row,) = table(tmp_path / "runs")
    assert row["status"] == "failed"
    assert row["note"].startswith("digits: batch 41: choose")
    assert "1 failed" in text


def shell(script: str) -> Callable[[str], list[str]]:
    return lambda order: ["sh", "-c", script, order]


def carried_out(script: str, orders=("a",), *, retries=2, seconds=60.0, jobs=2):
    results = local.run(
        orders, jobs=jobs, threads=1, retries=retries, seconds=seconds, command=shell(script)
    )
    return dict(results)


def test_outcomes_of_processes(tmp_path) -> None:
    script = """case $0 in
        good) exit 0 ;;
        bad) echo "seed: no" >&2; exit 2 ;;
        fault) echo "Traceback" >&2; echo "KeyError: 1" >&2; exit 1 ;;
        stopped) exit 130 ;;
        killed) echo x >> %s; kill -9 $$ ;;
    esac"""
    orders = ("good", "bad", "fault", "stopped", "killed")
    found = carried_out(script % (tmp_path / "attempts"), orders)
    assert found[0] == process.Outcome("done")
    assert found[1] == process.Outcome("failed", "seed: no")
    assert found[2] == process.Outcome("failed", "KeyError: 1", "Traceback\nKeyError: 1")
    assert found[3] == process.Outcome("unfinished", "stopped from outside")
    assert found[4] == process.Outcome("failed", "killed by SIGKILL, 3 times")
    assert (tmp_path / "attempts").read_text() == "x\n" * 3


def test_a_crash_is_tried_again_until_it_works(tmp_path) -> None:
    path = tmp_path / "attempts"
    found = carried_out(f"echo x >> {path}; [ $(wc -l < {path}) = 3 ] || kill -11 $$")
    assert found == {0: process.Outcome("done")}


def test_the_time_is_over(monkeypatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    obeys = carried_out("trap 'exit 130' TERM; while :; do sleep 0.01; done", seconds=0.3)
    assert obeys[0] == process.Outcome("unfinished", "stopped after 0.3 s")
    ignores = carried_out("trap '' TERM; while :; do sleep 0.01; done", seconds=0.3)
    assert ignores[0] == process.Outcome("unfinished", "stopped after 0.3 s")


def test_no_more_at_a_time_than_jobs(tmp_path) -> None:
    script = f"mkdir {tmp_path}/$0; ls {tmp_path} | wc -l >> {tmp_path}.log; sleep 0.1"
    script += f"; rmdir {tmp_path}/$0"
    found = carried_out(script, tuple("abcdef"), jobs=2)
    assert all(outcome.status == "done" for outcome in found.values())
    counts = [int(line) for line in Path(f"{tmp_path}.log").read_text().split()]
    assert len(counts) == 6
    assert max(counts) <= 2


def test_closing_the_iterator_ends_the_processes(tmp_path) -> None:
    script = f"echo $$ >> {tmp_path}/pids; [ $0 = a ] || exec sleep 1000"
    results = local.run(
        ("a", "b"), jobs=2, threads=1, retries=0, seconds=60.0, command=shell(script)
    )
    assert next(results) == (0, process.Outcome("done"))
    wait(lambda: len((tmp_path / "pids").read_text().split()) == 2)
    results.close()
    for pid in (tmp_path / "pids").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_an_experiment_is_looked_up_where_it_is_kept(tmp_path) -> None:
    fields = {"id": "bjorck_fig2", "scale": "smoke", "seed": 3}
    one = task("experiment", fields, str(tmp_path), "cpu")
    assert one.run.result() is None
    one.carry_out()
    result = one.run.result()
    assert result is not None
    assert all(isinstance(value, float) for value in one.shown(result).values())


MACHINES = [
    {"Alive": True, "Resources": {"CPU": 4.0}},
    {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
    {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
]


@pytest.mark.parametrize(
    ("machines", "threads", "gpus", "message"),
    [
        (MACHINES, 4, 1, None),
        (MACHINES, 5, 0, "--threads 5: no machine of the cluster has more than 4"),
        (MACHINES[::2], 1, 1, "--gpus-per-trial 1: no machine of the cluster has a GPU; use 0"),
    ],
)
def test_ray_is_not_asked_for_what_no_machine_has(machines, threads, gpus, message) -> None:
    with pytest.raises(UserError, match=message) if message else nullcontext():
        on_ray._check(SimpleNamespace(nodes=lambda: machines), threads, gpus)


def test_without_ray_it_is_one_line(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    file = tmp_path / "sweep.toml"
    file.write_text(FILE)
    status, out, err = run(file, "--out", tmp_path / "runs", "--engine", "ray")
    assert (status, out) == (2, "")
    assert err == "bnproof: --engine ray: needs Ray; pip install 'bnproof[ray]'\n"


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
        (("--address", "auto"), "--address and --gpus-per-trial are for --engine ray"),
        (("--engine", "ray", "--device", "cuda"), "give --gpus-per-trial 1 as well"),
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
