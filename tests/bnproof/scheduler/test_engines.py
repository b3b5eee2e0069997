"""Both engines: nothing is lost or repeated, whatever is killed."""

import csv
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from bnproof.empirical.data.load import load
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.report import document
from bnproof.scheduler import on_ray
from bnproof.theory.common.errors import UserError

FILE = """
[run]
rate = 0.05
batch = 8
every = 100
data = "digits"
images = 40
network.family = "resnet"
network.depth = 8

[grid]
steps = [2, 600]
"""
NETWORK = {"family": "resnet", "depth": 8}
RECIPE = TrainingConfig(network=NETWORK, steps=600, rate=0.05, batch=8, every=100)
# A shell that starts the tests in the background makes all that they start deaf to SIGINT.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from bnproof.cli import main
main()
"""
PATIENCE = 120.0  # seconds; a test that waits longer fails


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request) -> str:
    if request.param == "ray":
        pytest.importorskip("ray", reason="the extra `ray` is not installed")
    return request.param


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "sweep.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "runs"


def wait(until: Callable[[], object]) -> None:
    begun = time.monotonic()
    while not until():
        assert time.monotonic() - begun < PATIENCE
        time.sleep(0.02)


def workers(pid: int, engine: str) -> set[int]:
    """Processes that work on jobs below a driver."""
    command = ["ps", "-Awwo", "pid=,ppid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    family, mark = {pid}, "ray::captured" if engine == "ray" else "spawn_main"
    for _ in range(4):  # driver, raylet, worker
        family |= {int(row[0]) for row in rows if int(row[1]) in family}
    return {
        int(row[0])
        for row in rows
        if int(row[0]) in family and mark in row[-1] and not row[2].startswith("Z")
    }


def alive(pids: set[int]) -> set[int]:
    command = ["ps", "-Awwo", "pid=,stat="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return pids & {int(row[0]) for row in rows if not row[1].startswith("Z")}


def driver(file: Path, out: Path, *words: str, option: str = "--out") -> subprocess.Popen:
    if option == "--out":
        words = ("sweep", str(file), *words)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    if "ray" in words:  # else Ray makes a token of its own, in the home of who runs the tests
        token = file.with_name("token")
        token.write_text(secrets.token_hex(32))
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *words, option, str(out)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(out: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.glob("*/result.*")}


def table(out: Path) -> list[dict[str, str]]:
    with (out / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow  # `tests/hardening/test_killed.py` kills forked processes, which start faster
def test_a_killed_worker_and_a_killed_driver(file, out, engine, tmp_path) -> None:
    first = driver(file, out, "--jobs", "2", "--engine", engine)
    seen: set[int] = set()
    try:
        # One is done, and the other is training.
        wait(lambda: len(list(out.glob("*/metrics.jsonl"))) == 2 and len(results(out)) == 1)
        before = results(out)
        seen |= workers(first.pid, engine)
        for pid in alive(seen):
            os.kill(pid, signal.SIGKILL)
        wait(lambda: workers(first.pid, engine) - seen)  # another attempt
        seen |= workers(first.pid, engine)
    finally:
        first.kill()
        first.communicate()
    wait(lambda: not alive(seen))  # none outlives its driver
    assert results(out) == before

    second = driver(file, out, "--jobs", "2", "--engine", engine)
    text, err = second.communicate(timeout=PATIENCE)
    assert (second.returncode, err) == (0, "")
    assert text.splitlines()[-2:] == ["2 done", str(out / "sweep.csv")]
    after = results(out)
    assert len(after) == 2
    assert {path: after[path] for path in before} == before
    rows = table(out)
    assert [(row["steps"], row["status"]) for row in rows] == [("2", "done"), ("600", "done")]
    whole = train(RECIPE, load("digits", limit=40), root=tmp_path / "whole")
    assert float(rows[1]["loss"]) == whole["curve"][-1]["loss"]
    assert (tmp_path / "whole" / rows[1]["folder"]).exists()


def test_ctrl_c_ends_all_with_a_checkpoint(file, out, engine) -> None:
    file.write_text(FILE.replace("[2, 600]", "[100000, 200000]"))
    first = driver(file, out, "--jobs", "2", "--engine", engine)
    try:
        wait(lambda: len(list(out.glob("*/metrics.jsonl"))) == 2)
        seen = workers(first.pid, engine)
        first.send_signal(signal.SIGINT)
        text, _ = first.communicate(timeout=PATIENCE)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 3
    assert "2 unfinished" in text
    assert seen
    assert not alive(seen)
    assert len({path.parent for path in out.glob("*/checkpoint-*")}) == 2
    assert [row["status"] for row in table(out)] == ["unfinished"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gpus-per-job", "1"), "no machine of the cluster has that many"),
        (("--address", "127.0.0.1:9"), "127.0.0.1:9: cannot connect to a Ray cluster"),
    ],
)
def test_what_no_cluster_has_is_one_line(file, out, options, message) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    if "--gpus-per-job" in options and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    refused = driver(file, out, "--engine", "ray", *options)
    text, err = refused.communicate(timeout=PATIENCE)
    assert (refused.returncode, text) == (2, "")
    assert err.startswith(f"bnproof: {options[0]}")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_claims_on_ray_give_the_same_evidence(tmp_path) -> None:
    """A claim whose experiment has seeds and a part that another shares, and one without."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    found = []
    for words in (("--jobs", "1"), ("--engine", "ray", "--jobs", "2")):
        folder = tmp_path / words[-1]
        line = ("verify", "bjorck_fig3", "bn_jacobian", "--scale", "smoke", "--device", "cpu")
        run = driver(tmp_path / "x", folder, *line, *words, option="--report")
        _, err = run.communicate(timeout=PATIENCE)
        assert (run.returncode, err) == (0, "")
        found.append(document.load(folder / document.NAME)["claims"])
        for record in found[-1]:
            record["seconds"] = 0
    assert found[0] == found[1]


MACHINES = [
    {"Alive": True, "Resources": {"CPU": 4.0}},
    {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
    {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
]


@pytest.mark.parametrize(
    ("machines", "threads", "gpus", "message"),
    [
        (MACHINES, 4, 1, None),
        (MACHINES, 1, 0.25, None),
        (MACHINES, 5, 0, "--threads 5: must be at most 4 on this cluster"),
        (MACHINES, 1, 2, "--gpus-per-job 2: no machine of the cluster has that many"),
        (MACHINES[::2], 1, 1, "--gpus-per-job 1: no machine of the cluster has that many"),
    ],
)
def test_ray_is_not_asked_for_what_no_machine_has(machines, threads, gpus, message) -> None:
    with pytest.raises(UserError, match=message) if message else nullcontext():
        on_ray._check(machines, threads, gpus)
