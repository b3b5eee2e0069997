"""Processes that work on jobs: how they end, and what they are told."""

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bnproof.scheduler import local
from bnproof.scheduler.local import Inline, Processes
from bnproof.scheduler.schedule import run

# A module of its own, which the processes can import.
TOYS = """
import os, signal, sys, threading, time
from dataclasses import dataclass
from pathlib import Path

from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import WriteError


@dataclass(frozen=True)
class Toy:
    name: str
    folder: Path
    cost: float = 1.0
    needs: tuple = ()

    @property
    def key(self):
        return self.name

    def done(self):
        return (self.folder / self.name).exists()

    def carry_out(self):
        with (self.folder / f"{self.name} begun").open("a") as file:
            file.write(f"{os.getpid()}\\n")
        getattr(self, self.name.split()[0])()
        (self.folder / self.name).write_text("done")

    def good(self):
        print(f"{self.name} was here", file=sys.stderr)

    def bad(self):
        raise UserError("seed: no")

    def fault(self):
        {}["x"]

    def full(self):
        raise WriteError("cannot write it: No space left on device")

    def killed(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def once(self):
        if len((self.folder / f"{self.name} begun").read_text().split()) == 1:
            os.kill(os.getpid(), signal.SIGSEGV)

    def stopped(self):
        os.kill(os.getpid(), signal.SIGTERM)

    def long(self):
        time.sleep(1000)

    def lingering(self):
        threading.Thread(target=time.sleep, args=(1000,)).start()

    def stubborn(self):
        signal.signal(signal.SIGINT, lambda *_: None)
        while True:
            time.sleep(1000)

    def tells(self):
        names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
        told = {name: os.environ.get(name) for name in names} | {"torch": "torch" in sys.modules}
        (self.folder / f"{self.name} told").write_text(repr(told))
"""
PATIENCE = 120.0  # seconds; a test that waits longer fails


@pytest.fixture
def toys(tmp_path, monkeypatch) -> Iterator[ModuleType]:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "toy_jobs.py").write_text(TOYS)
    monkeypatch.syspath_prepend(folder)
    import toy_jobs

    yield toy_jobs
    del sys.modules["toy_jobs"]


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "results"
    path.mkdir()
    return path


def processes(count: int = 1, **variables: str) -> Processes:
    return Processes(1, [{"OMP_NUM_THREADS": "1"} | variables] * count)


def wait(until: Callable[[], object]) -> None:
    begun = time.monotonic()
    while not until():
        assert time.monotonic() - begun < PATIENCE
        time.sleep(0.02)


def pids(folder: Path) -> set[int]:
    return {int(word) for path in folder.glob("* begun") for word in path.read_text().split()}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended is there until its parent looks.
    return (
        Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True
    )


def test_how_jobs_end(toys, folder) -> None:
    names = ("good", "good 2", "bad", "fault", "killed", "once", "stopped")
    jobs = [toys.Toy(name, folder) for name in names]
    found = {job.name: outcome for job, outcome in run(jobs, processes(2))}
    assert found["good"].status == found["good 2"].status == found["once"].status == "done"
    assert found["good"].log == "good was here\n"
    assert (found["bad"].status, found["bad"].note, found["bad"].log) == ("failed", "seed: no", "")
    assert (found["fault"].status, found["fault"].note) == ("failed", "KeyError: 'x'")
    assert found["fault"].log.startswith("Traceback")
    assert found["killed"].status == "failed"
    assert found["killed"].note == "killed: its process was killed by SIGKILL, 2 times"
    assert (found["stopped"].status, found["stopped"].note) == (
        "unfinished",
        "interrupted",
    )
    assert len((folder / "killed begun").read_text().split()) == 2
    assert len(pids(folder)) < len(names) + 2  # a process takes one job after the other
    assert not any(map(alive, pids(folder)))


def test_a_process_that_is_killed_between_two_jobs_is_replaced(toys, folder) -> None:
    engine = processes()
    results = run([toys.Toy("good", folder), toys.Toy("good 2", folder)], engine, retries=0)
    assert next(results)[1].status == "done"
    (pid,) = pids(folder)
    os.kill(pid, signal.SIGKILL)
    # Until the last of its threads has ended it cannot be told from one that is at work.
    wait(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    assert [outcome.status for _, outcome in results] == ["done"]


def test_the_time_is_over(toys, folder, monkeypatch) -> None:
    ((_, outcome),) = run([toys.Toy("long", folder)], processes(), limit=0.5)
    assert (outcome.status, outcome.note) == ("unfinished", "stopped after 0.5 s")
    monkeypatch.setattr(local, "GRACE", 0.2)
    ((_, outcome),) = run([toys.Toy("stubborn", folder)], processes(), limit=0.5)
    assert outcome.status == "unfinished"
    assert "was killed" in outcome.note
    assert not any(map(alive, pids(folder)))


def test_closing_stops_what_runs(toys, folder) -> None:
    results = run([toys.Toy("good", folder), toys.Toy("long", folder)], processes(2))
    next(results)
    wait(lambda: (folder / "long begun").exists())
    results.close()
    assert not any(map(alive, pids(folder)))
    assert not (folder / "long").exists()


@pytest.mark.parametrize("step", ["_ready", "take", "poll"])
def test_an_interrupt_while_the_engine_acts_leaves_no_process(toys, folder, monkeypatch, step):
    """A worker that is started but not yet noted, or noted as idle while its job begins."""
    owner = Processes if step == "_ready" else local._Worker
    original = getattr(owner, step)

    def interrupted(*arguments):
        result = original(*arguments)
        signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(owner, step, interrupted)
    engine = processes()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        engine.start(toys.Toy("long", folder), math.inf)
        engine.wait(0)
    monkeypatch.undo()
    (process,) = multiprocessing.active_children()
    engine.close()
    assert not process.is_alive()


def test_a_process_that_a_job_keeps_from_ending_is_killed(toys, folder, monkeypatch) -> None:
    monkeypatch.setattr(local, "TIMEOUT", 0.2)
    ((_, outcome),) = run([toys.Toy("lingering", folder)], processes())
    assert outcome.status == "done"
    assert not any(map(alive, pids(folder)))


def test_what_a_process_is_told_comes_before_all_imports(toys, folder) -> None:
    engine = processes(CUDA_VISIBLE_DEVICES="3")
    list(run([toys.Toy("tells", folder)], engine))
    told = json.loads((folder / "tells told").read_text().replace("'", '"').replace("False", "0"))
    assert told == {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "3", "torch": 0}


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from toy_jobs import Toy
from bnproof.scheduler.local import Processes
from bnproof.scheduler.schedule import run
if __name__ == "__main__":
    folder = Path(sys.argv[2])
    list(run([Toy("long", folder), Toy("long 2", folder)], Processes(1, [{}, {}])))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_no_process_outlives_its_driver(toys, folder, tmp_path, number) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    words = [sys.executable, str(tmp_path / "driver.py"), str(tmp_path / "modules"), str(folder)]
    # A shell that starts the tests in the background makes all that they start deaf to SIGINT.
    driver = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait(lambda: len(pids(folder)) == 2)
        driver.send_signal(number)
        driver.communicate(timeout=PATIENCE)
    finally:
        driver.kill()
    wait(lambda: not any(map(alive, pids(folder))))


def test_in_this_process(toys, folder) -> None:
    import torch

    before = torch.get_num_threads()
    jobs = [toys.Toy(name, folder) for name in ("good", "bad", "fault")]
    results = run(jobs, Inline(before + 1))
    next(results)
    assert torch.get_num_threads() == before + 1
    found = {job.name: outcome.status for job, outcome in results}
    assert found == {"bad": "failed", "fault": "failed"}
    assert torch.get_num_threads() == before
    assert pids(folder) == {os.getpid()}


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
def test_the_time_limit_of_this_process(toys, folder, handler) -> None:
    """Also of one that a shell started in the background, which ignores SIGINT."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        ((_, outcome),) = run([toys.Toy("long", folder)], Inline(1), limit=0.2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (outcome.status, outcome.note) == ("unfinished", "stopped after 0.2 s")
