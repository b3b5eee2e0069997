"""Start the process of a trial and see how it ends; imports nothing heavy, for Ray's workers."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

GRACE: Final = 60.0  # seconds that a process has for its step and checkpoint before it is killed
POLL: Final = 0.05  # seconds
BAD: Final = 2  # exit status after bad input, as `bnproof` has it
STOPPED: Final = 130  # exit status after a signal that it obeyed


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes
    ----------
    status
        ``"done"``; ``"failed"``, which it would again; ``"unfinished"``: stopped, resumable;
        ``"crashed"``: it vanished, killed by a signal, and is worth another attempt.
    note
        One line.
    log
        What it wrote to standard error, if it failed by a fault of the program.
    """

    status: Literal["done", "failed", "unfinished", "crashed"]
    note: str = ""
    log: str = ""


def command(order: str) -> list[str]:
    """The command of a worker; `order` is a trial as JSON (`bnproof.sweep.trials.task`)."""
    # -P: a folder named `theory` where the user stands must not hide ours.
    return [sys.executable, "-P", "-m", "bnproof.sweep.worker", order]


class Process:
    """A process that works on one trial.

    Parameters
    ----------
    command
        What is run.
    threads
        Threads it may compute with; ``OMP_NUM_THREADS`` of the environment goes first.
    seconds
        Then it is stopped, resumable; `math.inf` for never.
    """

    def __init__(self, command: Sequence[str], *, threads: int, seconds: float) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the process has ended
        self._deadline, self._seconds = time.monotonic() + seconds, seconds
        self._stopped: float | None = None
        self._ended: Outcome | None = None
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # never written to: its end says that we are gone
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={"OMP_NUM_THREADS": str(threads)} | os.environ,
            start_new_session=True,  # Ctrl-C is for the driver, which then stops its processes
        )

    def poll(self) -> Outcome | None:
        """How it ended, or None while it runs; stops it when its time is over."""
        status = self._process.poll()
        if status is not None:
            self._ended = self._ended or self._outcome(status)
            return self._ended
        now = time.monotonic()
        if now > self._deadline:
            self.stop()
        if self._stopped is not None and now > self._stopped + GRACE:
            self._process.kill()
        return None

    def stop(self) -> None:
        """Ask it to write a checkpoint and end; `poll` kills it if it takes too long."""
        if self._stopped is None:
            self._stopped = time.monotonic()
            self._process.terminate()

    def end(self) -> None:
        """Stop it and wait for its end."""
        self.stop()
        while self.poll() is None:
            time.sleep(POLL)

    def _outcome(self, status: int) -> Outcome:
        if self._process.stdin is not None:
            self._process.stdin.close()
        with self._log:
            self._log.seek(0)
            log = self._log.read().decode(errors="replace").strip()
        last = log.splitlines()[-1] if log else ""
        if status == 0:
            return Outcome("done")
        if self._stopped is not None:
            late = time.monotonic() > self._deadline
            return Outcome("unfinished", f"stopped after {self._seconds:g} s" if late else "")
        if status == STOPPED:
            return Outcome("unfinished", "stopped from outside")
        if status < 0:
            return Outcome("crashed", f"killed by {signal.Signals(-status).name}")
        return Outcome("failed", last, "" if status == BAD else log)


class CrashError(Exception):
    """The process of a trial vanished."""


def carry_out(order: str, threads: int, seconds: float) -> Outcome:
    """Work on one trial until it ends.

    Raises
    ------
    CrashError
        If the process vanishes; another attempt goes on from its last checkpoint.
    """
    process = Process(command(order), threads=threads, seconds=seconds)
    try:
        while (outcome := process.poll()) is None:
            time.sleep(POLL)
    except BaseException:
        process.end()
        raise
    if outcome.status == "crashed":
        raise CrashError(outcome.note)
    return outcome
