"""A process that forks the processes which the tests kill: all is imported and read once.

It reads orders from standard input, a JSON object a line, and answers each with a line:
``[exit status, file operations]``, the status negative after a signal.  It has one thread, so that
forking it is safe.  Run as ``python victims.py``; see `conftest.py`.
"""

import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import bnproof.commands.sweep
import bnproof.commands.verify
import bnproof.report.figures
import bnproof.report.page
import bnproof.sweep.trials  # noqa: F401  # so that no child imports it
from bnproof import catalogue, cli
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, Control, Criterion, Experiment
from bnproof.empirical.training import loop as training
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.provenance import code_of
from bnproof.empirical.training.tasks import LinearMap
from bnproof.empirical.trial import Size, Trial
from bnproof.results import published
from bnproof.scheduler import jobs, local
from bnproof.theory.claim import Claim, Scale, Verdict
from bnproof.theory.common.commit import commit
from bnproof.theory.common.errors import UserError
from bnproof.theory.sources import Source

# Events of Python's audit hooks that change files, or come just before a change.
CHANGES = {"os.rename", "os.remove", "os.truncate", "os.mkdir", "os.chmod", "open"}
STEPS = 12
NETWORK = {"family": "linear", "depth": 2, "width": 10}
RECIPE = TrainingConfig(network=NETWORK, steps=STEPS, rate=0.02, momentum=0.9, decay=0.0, every=3)
MAP = LinearMap(samples=20)
SWEEP = """
[run]
steps = 12
every = 3
data = "Gaussian inputs and a Gaussian linear map"
network = {family = "linear", depth = 2, width = 10}
[grid]
rate = [0.01, 0.02]
seed = [0, 1]
"""


def train(folder: Path) -> None:
    """A training run with a checkpoint after each step."""
    training.train(RECIPE, MAP, root=folder, wait=-1)


def report(folder: Path) -> None:
    """The page of evidence that is there."""
    _cli("report", folder)


def verify(folder: Path) -> None:
    """Evidence, figures and page of two claims, two at a time."""
    _forked(folder)
    words = ("bn_jacobian", "report_3_4", "--scale", "smoke", "--device", "cpu")
    _cli("verify", *words, "--jobs", "2", "--report", folder)


def publish(folder: Path) -> None:
    """Training runs, seeds, result, figure and published record of an experiment."""
    _forked(folder)
    catalogue.experiment = jobs.load_claim = lambda *_: CLAIM
    published.write = lambda record, to=folder / "published": _write(record, to)
    _cli("experiment", "run", CLAIM.id, "--scale", "smoke", "--publish", "--out", folder)


def sweep(folder: Path) -> None:
    """A sweep of four training runs, two at a time."""
    _forked(folder)
    (folder / "sweep.toml").write_text(SWEEP)
    _cli("sweep", folder / "sweep.toml", "--out", folder / "runs", "--jobs", "2", "--threads", "1")


def _forked(folder: Path) -> None:
    """Processes that work on jobs are forked, and write down who they are."""

    def noted(*arguments: Any) -> None:
        with (folder / "workers").open("a") as file:
            file.write(f"{os.getpid()}\n")
        serve(*arguments)

    local.CONTEXT = multiprocessing.get_context("fork")
    local.serve = noted


serve = local.serve
_write = published.write
JOBS = {job.__name__: job for job in (train, report, verify, publish, sweep)}


def _cli(*words: object) -> None:
    sys.argv = ["bnproof", *map(str, words)]
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise


def _measured(trial: Trial) -> dict[str, dict[str, float]]:
    def last(rate: float) -> dict[str, float]:
        found = trial.train(NETWORK, rate=rate, data=MAP, momentum=0.0, decay=0.0, every=2)
        return {"loss": found.last("evaluated loss")}

    return {WITH: last(0.02), WITHOUT: last(0.01), CONTROL: last(0.001)}


def _draw(figure: Any, evidence: Any) -> str:
    figure.subplots().plot(evidence.series[WITH]["loss"])
    return "a line"


CLAIM = Claim(
    id="tiny",
    title="A larger rate learns more.",
    sources=(Source("derived", "here"),),
    statement="x",
    expected=Verdict.REPRODUCED,
    checks=(
        Experiment(
            run=_measured,
            criteria=(Criterion(net=WITHOUT, quantity="loss", words="loss", at_most=1e9),),
            controls=(Control("a small rate", passes=False),),
            draw=_draw,
            data="a map",
            sizes={Scale.SMOKE: Size(batch=8, seeds=2, updates=4, images=40)},
        ),
    ),
)


def _ending(work: Any) -> None:
    """Do the work and end this process, whatever comes."""
    status = 1
    try:
        status = work() or 0
    except SystemExit as end:
        status = int(end.code or 0)
    except UserError as error:
        print(f"bnproof: {error}", file=sys.stderr)
        status = 2
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _child(order: dict[str, Any], tell: int, log: int) -> None:
    """One victim: the job, with what ends it."""
    folder = Path(order["folder"])
    os.setsid()
    os.dup2(log, 2)  # a pipe: no full disk is in its way
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    # The streams remember whether the files that they were opened on could be sought in.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seen = [0]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or (event == "open" and not arguments[2] & os.O_WRONLY + os.O_RDWR):
            return
        if seen[0] == order.get("event"):
            os.kill(os.getpid(), signal.SIGKILL)
        seen[0] += 1

    def work() -> None:
        if "user" in order:
            os.setuid(order["user"])
        if "largest" in order:  # a file that grows beyond it: an error, or the end
            end = signal.SIG_IGN if order.get("survives") else signal.SIG_DFL
            signal.signal(signal.SIGXFSZ, end)
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"],) * 2)
        if "memory" in order:
            resource.setrlimit(resource.RLIMIT_AS, (order["memory"],) * 2)
        sys.addaudithook(watch)
        JOBS[order["job"]](folder)
        seen[0], total = -(10**9), seen[0]
        os.write(tell, str(total).encode())

    _ending(work)


def _victim(order: dict[str, Any]) -> tuple[int, int]:
    """Fork, kill and bury one; exit status and number of file operations, 0 if killed."""
    (ours, theirs), (said, log) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(order, theirs, log)
    os.close(theirs)
    os.close(log)
    if "after" in order:
        time.sleep(order["after"])
        for victim in _targets(order, pid):
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
    _, status = os.waitpid(pid, 0)
    with os.fdopen(ours) as told:
        operations = int(told.read() or 0)
    with os.fdopen(said, "rb") as words, Path(order["log"]).open("ab") as file:
        file.write(words.read())
    return os.waitstatus_to_exitcode(status), operations


def _targets(order: dict[str, Any], pid: int) -> list[int]:
    """The process itself, or one of the workers that it forked, or all: a power cut."""
    who, workers = order.get("who", "it"), Path(order["folder"]) / "workers"
    young = [int(line) for line in workers.read_text().split()[-2:]] if workers.exists() else []
    if who == "worker" and young:
        return young[:1]
    return [pid, *young] if who == "all" else [pid]


def main() -> None:
    training.EVERY = 0.0
    torch.zeros(1).add(np.float32(1))
    load()
    code_of(__name__)
    commit()  # which another user may not ask for
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_victim(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
