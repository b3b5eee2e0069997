"""Both engines: nothing is lost or repeated, whatever is killed."""

import csv
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
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
steps = [2, 300]
"""
NETWORK = {"family": "resnet", "depth": 8}
RECIPE = TrainingConfig(network=NETWORK, steps=300, rate=0.05, batch=8, every=100)
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


def family(pid: int) -> dict[int, str]:
    """A process and those below it that are not zombies, and what each runs."""
    command = ["ps", "-Awwo", "pid=,ppid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    found = {pid}
    for _ in range(4):  # driver, raylet, worker
        found |= {int(row[0]) for row in rows if int(row[1]) in found}
    return {
        int(row[0]): row[-1] for row in rows if int(row[0]) in found and not row[2].startswith("Z")
    }


def kill_family(pid: int) -> None:
    for number in family(pid):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def workers(pid: int, engine: str) -> set[int]:
    """Processes that work on jobs below a driver or a node of Ray."""
    mark = "ray::captured" if engine == "ray" else "spawn_main"
    return {number for number, runs in family(pid).items() if mark in runs}


def alive(pids: set[int]) -> set[int]:
    command = ["ps", "-Awwo", "pid=,stat="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return pids & {int(row[0]) for row in rows if not row[1].startswith("Z")}


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nothing_outlives_a_test():
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            kill_family(process.pid)
        process.communicate()


def begin(command: list[str], folder: Path, **more: str) -> subprocess.Popen:
    """Start Python, with a token for clusters in `folder`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | more
    environment.pop("RAY_ADDRESS", None)
    if "ray" in sys.modules:  # else Ray makes a token of its own, in the home of the tester
        token = folder / "token"
        if not token.exists():
            token.write_text(secrets.token_hex(32))
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        # By default Ray's workers give way to all other processes, and would need minutes.
        environment |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    STARTED.append(subprocess.Popen([sys.executable, *command], env=environment, **pipes))
    return STARTED[-1]


def driver(file: Path, out: Path, *words: str, option: str = "--out") -> subprocess.Popen:
    if option == "--out":
        words = ("sweep", str(file), *words)
    return begin(["-c", MAIN, *words, option, str(out)], file.parent)


def node(folder: Path, *options: str, **more: str) -> subprocess.Popen:
    """Start a node of a cluster, as `ray start` does."""
    command = ["-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *options]
    return begin(command, folder, **more)


def head(folder: Path, *options: str, **more: str) -> str:
    """Start the first node of a cluster; return the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    local = ("--node-ip-address=127.0.0.1", "--include-dashboard=false")
    process = node(folder, "--head", f"--port={port}", *local, *options, **more)
    wait(lambda: any("raylet" in runs for runs in family(process.pid).values()))
    return f"127.0.0.1:{port}"


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
    assert [(row["steps"], row["status"]) for row in rows] == [("2", "done"), ("300", "done")]
    whole = train(RECIPE, load("digits", limit=40), root=tmp_path / "whole")
    assert float(rows[1]["loss"]) == whole["curve"][-1]["loss"]
    assert (tmp_path / "whole" / rows[1]["folder"]).exists()


def test_ctrl_c_ends_all_with_a_checkpoint(file, out, engine) -> None:
    file.write_text(FILE.replace("[2, 300]", "[100000, 200000]"))
    first = driver(file, out, "--jobs", "2", "--engine", engine)
    try:
        wait(lambda: len(list(out.glob("*/metrics.jsonl"))) == 2)
        seen = workers(first.pid, engine)
        first.send_signal(signal.SIGINT)
        text, _ = first.communicate(timeout=PATIENCE)
    finally:
        first.kill()
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
        (("--gpus-per-job", "1"), "--gpus-per-job 1: PyTorch finds no GPU here; start the command"),
        (("--threads", "1000"), "--threads 1000: must be at most"),
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


@pytest.mark.slow
def test_a_killed_driver_and_a_lost_machine_of_a_cluster(file, out, tmp_path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    file.write_text(FILE.replace("[2, 300]", "[300, 301]"))
    address = head(tmp_path)
    other = node(tmp_path, f"--address={address}", "--node-ip-address=127.0.0.1")
    ready = begin(["-c", TWO_NODES, address], tmp_path)
    assert ready.communicate(timeout=PATIENCE)[0] == "ready\n"
    words = ("--engine", "ray", "--address", address)

    first = driver(file, out, *words)
    wait(lambda: len(list(out.glob("*/metrics.jsonl"))) == 2)
    first.kill()
    second = driver(file, out, *words)
    wait(lambda: workers(other.pid, "ray"))
    kill_family(other.pid)
    text, err = second.communicate(timeout=PATIENCE)
    assert (second.returncode, err) == (0, "")
    assert "2 done" in text

    local = driver(file, tmp_path / "local", "--jobs", "2")
    local.communicate(timeout=PATIENCE)
    rows = [table(out), table(tmp_path / "local")]
    for row in (*rows[0], *rows[1]):
        del row["seconds"]
    assert rows[0] == rows[1]


TWO_NODES = """
import sys, time
import ray
for _ in range(60):
    try:
        ray.init(sys.argv[1], log_to_driver=False)
        break
    except ConnectionError:
        time.sleep(1)
while sum(node["Alive"] for node in ray.nodes()) < 2:
    time.sleep(0.1)
print("ready")
"""
GPU_JOBS = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
from bnproof.scheduler import on_ray, schedule

@dataclass(frozen=True)
class Report:
    key: str
    folder: Path
    cost = 1.0
    needs = ()

    @property
    def name(self):
        return self.key

    def done(self):
        return False

    def carry_out(self):
        begun = time.time()
        time.sleep(1)
        text = f"{os.environ['CUDA_VISIBLE_DEVICES']} {os.getpid()} {begun} {time.time()}"
        (self.folder / self.key).write_text(text)

if __name__ == "__main__":
    from gpu_jobs import Report
    address, folder = sys.argv[1:]
    engine = on_ray.Ray(address, jobs=None, threads=1, gpus=0.5)
    jobs = [Report(str(number), Path(folder)) for number in range(6)]
    assert {end.status for _, end in schedule.run(jobs, engine)} == {"done"}
"""


@pytest.mark.slow
def test_jobs_on_ray_share_gpus_and_keep_none(tmp_path) -> None:
    """Ray does not look for GPUs whose number it is told."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    (tmp_path / "gpu_jobs.py").write_text(GPU_JOBS)
    where = {"PYTHONPATH": str(tmp_path)}
    address = head(tmp_path, "--num-gpus=2", "--num-cpus=8", **where)
    seen = tmp_path / "seen"
    seen.mkdir()
    run = begin([str(tmp_path / "gpu_jobs.py"), address, str(seen)], tmp_path, **where)
    assert run.communicate(timeout=PATIENCE) == ("", "")
    assert run.returncode == 0
    lines = [path.read_text().split() for path in seen.iterdir()]
    assert {gpu for gpu, *_ in lines} == {"0", "1"}
    assert len({pid for _, pid, *_ in lines}) == len(lines) == 6  # a process ends with its job
    for gpu, _, begun, _ in lines:
        during = [line for line in lines if float(line[2]) <= float(begun) < float(line[3])]
        assert sum(line[0] == gpu for line in during) <= 2


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
