"""Jobs in this process, one after the other, or in processes of this machine."""

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
from typing import Any, Final

from tqdm import tqdm

from bnproof.scheduler.job import GRACE, Job, Outcome, attempt, captured

# Not forked: threads and GPU contexts of this process do not survive a fork.
CONTEXT: Final = multiprocessing.get_context("spawn")
PATIENCE: Final = 5.0  # seconds that a process without a job has to end
STOPPED: Final = 130  # exit status of a process whose driver is gone


class Inline:
    """Jobs in this process, where a debugger sees them, with so many threads."""

    def __init__(self, threads: int) -> None:
        import torch

        self.threads = threads
        self._before = torch.get_num_threads()
        self._ended: list[tuple[Job, Outcome]] = []
        torch.set_num_threads(threads)

    def room(self) -> bool:
        """One job at a time."""
        return not self._ended

    def start(self, job: Job, seconds: float) -> None:
        """Carry the job out, to its end."""
        self._ended.append((job, attempt(job, seconds)))

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """What `start` did."""
        del seconds
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Compute with as many threads as before."""
        import torch

        torch.set_num_threads(self._before)


class Processes:
    """Processes that each take one job after the other.

    They are started when they are needed, and end with the process that started them, however that
    one ends.

    Parameters
    ----------
    threads
        Of each process.
    environments
        Of each process: what is set before anything is imported.
    """

    def __init__(self, threads: int, environments: Sequence[Mapping[str, str]]) -> None:
        self.threads = threads
        self._free = list(reversed(environments))
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def room(self) -> bool:
        """Whether a process is free, or can be started."""
        return bool(self._idle or self._free)

    def start(self, job: Job, seconds: float) -> None:
        """Give the job to a process."""
        worker = self._ready()
        worker.take(job, seconds)
        self._busy.append(worker)

    def _ready(self) -> "_Worker":
        """A process that waits for a job; one that was killed meanwhile is replaced."""
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.kill()
            self._free.append(worker.environment)
        return _Worker(self._free.pop())

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """The jobs that have ended, after waiting at most so long for one."""
        connection.wait([end for worker in self._busy for end in worker.ends], seconds)
        ended = []
        for worker in list(self._busy):
            outcome = worker.poll()
            if outcome is None:
                continue
            self._busy.remove(worker)
            ended.append((worker.job, outcome))
            if outcome.status in ("crashed", "unfinished"):  # it may have stopped anywhere
                worker.kill()
                self._free.append(worker.environment)
            else:
                self._idle.append(worker)
        return ended

    def close(self) -> None:
        """Ask what runs for a checkpoint, wait for it, and end all processes."""
        try:
            for worker in self._busy:
                worker.stop()
            while self._busy:
                self.wait(1.0)
            for worker in self._idle:
                worker.dismiss()
            for worker in self._idle:
                worker.join(PATIENCE)
        finally:  # a second Ctrl-C does not wait
            for worker in (*self._idle, *self._busy):
                worker.kill()


class _Worker:
    """One process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.job: Job
        self._last = math.inf
        self._pipe, theirs = CONTEXT.Pipe()
        # Not daemonic: PyTorch may start processes of its own.
        self._process = CONTEXT.Process(target=serve, args=(theirs, environment))
        with _deaf():
            self._process.start()
        theirs.close()

    @property
    def ends(self) -> tuple[Connection, int]:
        """What `multiprocessing.connection.wait` takes."""
        return self._pipe, self._process.sentinel

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def take(self, job: Job, seconds: float) -> None:
        """Begin a job."""
        self.job = job
        self._last = time.monotonic() + seconds + GRACE
        with contextlib.suppress(OSError):  # it has just died; `poll` will tell
            self._pipe.send((job, seconds))

    def poll(self) -> Outcome | None:
        """How its job ended, or None while it works."""
        with contextlib.suppress(EOFError, OSError):
            if self._pipe.poll():
                outcome: Outcome = self._pipe.recv()
                return outcome
        if not self.alive:
            return Outcome("crashed", _ending(self._process.exitcode))
        if time.monotonic() > self._last:
            return Outcome("unfinished", "did not stop when it was asked to, and was killed")
        return None

    def stop(self) -> None:
        """Ask for a checkpoint; `poll` kills it if it takes too long."""
        self._last = time.monotonic() + GRACE
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.ident or os.getpid(), signal.SIGINT)

    def dismiss(self) -> None:
        """Let it end: there are no more jobs."""
        with contextlib.suppress(OSError):  # it has ended already
            self._pipe.send(None)

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._process.join(seconds)

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        return f"its process was killed by {signal.Signals(-status).name}"
    return f"its process ended with status {status}"


@contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C is for the driver, which then stops its processes; they inherit what is blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    """Work on the jobs that come through a pipe, until None does: what a process does."""
    os.environ.update(environment)
    os.setsid()  # no longer of the terminal's group, which Ctrl-C goes to
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # nobody else's: the default takes a semaphore of the system
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while (order := pipe.recv()) is not None:
            pipe.send(captured(*order))


def _end_with_the_driver() -> None:
    """Ask for a checkpoint when the driver is gone, and do not wait for it for ever."""
    parent: Any = multiprocessing.parent_process()
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os._exit(STOPPED)
