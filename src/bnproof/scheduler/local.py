"""Engines that run jobs on this machine: in this process, or in worker processes."""

import contextlib
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Final

from tqdm import tqdm

from bnproof.scheduler.job import GRACE, Job, Outcome, attempt, captured
from bnproof.theory.common.garbage import collect_rarely
from bnproof.theory.common.interrupts import deferred

# Spawned, not forked: threads and GPU contexts do not survive a fork.
CONTEXT: Final = multiprocessing.get_context("spawn")
TIMEOUT: Final = 5.0  # seconds for an idle process to exit
STOPPED: Final = 130  # exit status of a worker whose parent process is gone


class Inline:
    """Runs jobs in this process, one after the other, which allows debugging."""

    def __init__(self, threads: int) -> None:
        import torch

        self.threads = threads
        self._before = torch.get_num_threads()
        self._ended: list[tuple[Job, Outcome]] = []
        torch.set_num_threads(threads)

    def room(self) -> bool:
        """Whether another job can be started; only one runs at a time."""
        return not self._ended

    def start(self, job: Job, seconds: float) -> None:
        """Run the job to its end."""
        self._ended.append((job, attempt(job, seconds)))

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """Return the job run by `start` and its outcome."""
        del seconds
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Restore the number of threads."""
        import torch

        torch.set_num_threads(self._before)


class Processes:
    """Runs jobs in worker processes.

    Workers are started on demand and exit with the parent process, even if that is killed.

    Parameters
    ----------
    threads
        Number of threads per process.
    environments
        Environment variables of each process, set before anything is imported.
    """

    def __init__(self, threads: int, environments: Sequence[Mapping[str, str]]) -> None:
        self.threads = threads
        self._free = list(reversed(environments))
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def room(self) -> bool:
        """Whether a process is idle or can be started."""
        return bool(self._idle or self._free)

    def start(self, job: Job, seconds: float) -> None:
        """Send the job to a process."""
        with deferred():  # an interrupt between two lines would leave a worker that nobody ends
            worker = self._ready()
            self._busy.append(worker)
            worker.take(job, seconds)

    def _ready(self) -> "_Worker":
        """Return an idle process, replacing those that have been killed."""
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.kill()
            self._free.append(worker.environment)
        return _Worker(self._free.pop())

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """Wait until a job ends, for at most `seconds`; return the jobs that have ended."""
        connection.wait([end for worker in self._busy for end in worker.ends], seconds)
        ended = []
        for worker in list(self._busy):
            with deferred():
                outcome = worker.poll()
                if outcome is None:
                    continue
                self._busy.remove(worker)
                ended.append((worker.job, outcome))
                if outcome.status in ("crashed", "unfinished"):  # may be in an inconsistent state
                    worker.kill()
                    self._free.append(worker.environment)
                else:
                    self._idle.append(worker)
        return ended

    def close(self) -> None:
        """Interrupt running jobs, wait for their checkpoints, and end all processes."""
        try:
            for worker in self._busy:
                worker.stop()
            while self._busy:
                self.wait(1.0)
            for worker in self._idle:
                worker.dismiss()
            for worker in self._idle:
                worker.join(TIMEOUT)
        finally:  # also after a second Ctrl-C
            for worker in (*self._idle, *self._busy):
                worker.kill()


class _Worker:
    """A worker process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.job: Job
        self._deadline = math.inf
        self._pipe, remote = CONTEXT.Pipe()
        # Not daemonic: PyTorch may start subprocesses.
        self._process = CONTEXT.Process(target=serve, args=(remote, environment))
        with _sigint_blocked():
            self._process.start()
        remote.close()

    @property
    def ends(self) -> tuple[Connection, int]:
        """Objects for `multiprocessing.connection.wait`."""
        return self._pipe, self._process.sentinel

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.is_alive()

    def take(self, job: Job, seconds: float) -> None:
        """Start a job."""
        self.job = job
        self._deadline = time.monotonic() + seconds + GRACE
        with contextlib.suppress(OSError):  # it has just died, which `poll` will report
            self._pipe.send((job, seconds))

    def poll(self) -> Outcome | None:
        """Return the outcome of the job, or None while it is running."""
        with contextlib.suppress(EOFError, OSError):
            if self._pipe.poll():
                outcome: Outcome = self._pipe.recv()
                return outcome
        if not self.alive:
            return Outcome("crashed", _ending(self._process.exitcode))
        if time.monotonic() > self._deadline:
            return Outcome("unfinished", "did not stop when interrupted and was killed")
        return None

    def stop(self) -> None:
        """Interrupt the job, which then writes a checkpoint; `poll` enforces a time limit."""
        self._deadline = time.monotonic() + GRACE
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.ident or os.getpid(), signal.SIGINT)

    def dismiss(self) -> None:
        """Let the process exit: there are no more jobs."""
        with contextlib.suppress(OSError):  # it has exited already
            self._pipe.send(None)

    def join(self, seconds: float) -> None:
        """Wait for the process to exit."""
        self._process.join(seconds)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        return f"its process was killed by {signal.Signals(-status).name}"
    return f"its process ended with status {status}"


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block SIGINT, also in child processes: only the parent handles Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    """Run jobs received through a pipe until None comes: the main function of a worker."""
    os.environ.update(environment)
    collect_rarely()
    os.setsid()  # leave the terminal's process group, which receives Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # the default lock needs a system semaphore
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while (order := pipe.recv()) is not None:
            pipe.send(captured(*order))


def _end_with_parent() -> None:
    """Interrupt the job when the parent process is gone, and exit after a grace period."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os._exit(STOPPED)
