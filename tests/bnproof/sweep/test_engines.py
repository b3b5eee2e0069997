"""Both engines: nothing is lost or repeated, whatever is killed."""

import csv
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bnproof.empirical.data.load import load
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train

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
steps = [2, 100]
"""
NETWORK = {"family": "resnet", "depth": 8}
RECIPE = TrainingConfig(network=NETWORK, steps=100, rate=0.05, batch=8, every=100)
# A shell that starts the tests in the background makes all that they start deaf to SIGINT.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from bnproof.cli import main
main()
"""
PATIENCE = 300.0  # seconds; a test that waits longer fails


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


def workers(out: Path) -> dict[int, int]:
    """Processes of trials below a folder, and the process that started each."""
    command = ["ps", "-Awwo", "pid=,ppid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    mine = (row for row in rows if "bnproof.sweep.worker" in row[-1] and str(out) in row[-1])
    return {int(row[0]): int(row[1]) for row in mine if not row[2].startswith("Z")}


def driver(file: Path, out: Path, *options: str) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    environment.pop("RAY_ADDRESS", None)
    if "ray" in options:  # else Ray makes a token of its own, in the home of who runs the tests
        token = file.with_name("token")
        token.write_text(secrets.token_hex(32))
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, "sweep", str(file), "--out", str(out), *options],
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


def test_a_killed_worker_and_a_killed_driver(file, out, engine, tmp_path) -> None:
    first = driver(file, out, "--jobs", "1", "--engine", engine)
    seen: set[int] = set()
    try:
        wait(lambda: len(list(out.glob("*/metrics.jsonl"))) == 2)  # the second one is training
        before = results(out)
        assert len(before) == 1
        (killed,) = workers(out)
        seen.add(killed)
        os.kill(killed, signal.SIGKILL)
        wait(lambda: set(workers(out)) - seen)  # another attempt
        if engine == "ray":  # and now the process of Ray that started it
            seen |= set(workers(out))
            (parent,) = {parent for pid, parent in workers(out).items() if pid != killed}
            os.kill(parent, signal.SIGKILL)
            wait(lambda: set(workers(out)) - seen)
    finally:
        first.kill()
        first.communicate()
    wait(lambda: not workers(out))  # none outlives its driver
    assert results(out) == before

    second = driver(file, out, "--engine", engine)
    text, err = second.communicate(timeout=PATIENCE)
    assert (second.returncode, err) == (0, "")
    assert text.splitlines()[-2:] == ["2 done", str(out / "sweep.csv")]
    after = results(out)
    assert len(after) == 2
    assert {path: after[path] for path in before} == before
    rows = table(out)
    assert [(row["steps"], row["status"]) for row in rows] == [("2", "done"), ("100", "done")]
    whole = train(RECIPE, load("digits", limit=40), root=tmp_path / "whole")
    assert float(rows[1]["loss"]) == whole["curve"][-1]["loss"]
    assert (tmp_path / "whole" / rows[1]["folder"]).exists()


def test_ctrl_c_ends_all_with_a_checkpoint(file, out, engine) -> None:
    file.write_text(FILE.replace("[2, 100]", "[100000]"))
    first = driver(file, out, "--engine", engine)
    try:
        wait(lambda: list(out.glob("*/metrics.jsonl")))
        first.send_signal(signal.SIGINT)
        text, _ = first.communicate(timeout=PATIENCE)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 130
    assert "1 unfinished" in text
    assert not workers(out)
    assert list(out.glob("*/checkpoint-*"))
    assert [row["status"] for row in table(out)] == ["unfinished"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gpus-per-trial", "1"), "no machine of the cluster has a GPU; use 0"),
        (("--address", "127.0.0.1:9"), "127.0.0.1:9: no Ray cluster lets us in there"),
    ],
)
def test_what_no_cluster_has_is_one_line(file, out, options, message) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    if "--gpus-per-trial" in options and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    refused = driver(file, out, "--engine", "ray", *options)
    text, err = refused.communicate(timeout=PATIENCE)
    assert (refused.returncode, text) == (2, "")
    assert err.startswith(f"bnproof: {options[0]}")
    assert message in err
    assert err.count("\n") == 1
