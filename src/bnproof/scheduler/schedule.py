"""Which job is next: dependencies, the longest first, another attempt after a crash."""

import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Final, Protocol

from bnproof.scheduler.job import Job, Outcome
from bnproof.theory.common.files import WriteError

POLL: Final = 1.0  # seconds between looks at the clock while nothing ends
RETRIES: Final = 1  # further attempts at a job whose process vanishes
KEPT: Final = Outcome("kept")


class Engine(Protocol):
    """What carries jobs out; it knows nothing of their order.

    Attributes
    ----------
    threads
        That each job computes with.
    """

    threads: int

    def room(self) -> bool:
        """Whether another job can be started."""

    def start(self, job: Job, seconds: float) -> None:
        """Begin a job, which is stopped, resumable, after so many seconds."""

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """The jobs that have ended, after waiting at most so long for one."""

    def close(self) -> None:
        """Stop the jobs that run, wait for their checkpoints, and let all processes go."""


def run(
    jobs: Iterable[Job],
    engine: Engine,
    *,
    retries: int = RETRIES,
    limit: float = math.inf,
    deadline: float = math.inf,
    watch: Callable[[Sequence[Job]], None] = lambda running: None,
) -> Generator[tuple[Job, Outcome], None, None]:
    """Carry out jobs and all that they need; yields each of them once, as it ends.

    However the iterator ends, by Ctrl-C say, the engine is closed.

    Parameters
    ----------
    retries
        Further attempts at a job whose process vanishes.
    limit
        Seconds that an attempt at a job may take.
    deadline
        Reading of `time.monotonic` after which nothing runs.
    watch
        Is told what runs, whenever that changes, and every second.

    Raises
    ------
    WriteError
        If a result cannot be written: it would be the same with the next one.
    """
    plan = _Plan(jobs)
    running: dict[str, Job] = {}
    attempts: Counter[str] = Counter()
    try:
        yield from plan.settled()
        while plan.ready or running:
            left = deadline - time.monotonic()
            while plan.ready and left > 0 and engine.room():
                job = plan.next()
                attempts[job.key] += 1
                running[job.key] = job
                watch(list(running.values()))
                engine.start(job, min(limit, left))
            if not running:
                break
            for job, outcome in engine.wait(min(POLL, max(left, 0.01))):
                del running[job.key]
                if outcome.status == "refused":
                    raise WriteError(outcome.note)
                if outcome.status == "crashed":
                    if attempts[job.key] <= retries:
                        plan.again(job)
                        continue
                    times = f", {attempts[job.key]} times" if retries else ""
                    outcome = Outcome("failed", f"{job.name}: {outcome.note}{times}", outcome.log)
                plan.end(job, outcome)
                yield from plan.settled()
            watch(list(running.values()))
        for job in plan.left():
            yield job, Outcome("unfinished")
    finally:
        engine.close()


class _Plan:
    """Jobs that are not yet settled, and what each of them waits for."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._known: dict[str, Job] = {}
        self._unmet: dict[str, set[str]] = {}
        self._ended: dict[str, Outcome] = {}
        self._told: list[tuple[Job, Outcome]] = []
        self.ready: list[tuple[float, int, str]] = []  # a heap
        for job in jobs:
            self._add(job)

    def next(self) -> Job:
        """Take the longest of those that are ready."""
        return self._known[heapq.heappop(self.ready)[-1]]

    def again(self, job: Job) -> None:
        """Put a job back."""
        self._push(job)

    def end(self, job: Job, outcome: Outcome) -> None:
        """Note how a job ended, and what can begin, or cannot, in consequence."""
        if outcome.status == "waiting":
            self._wait(job, outcome.needs)
            return
        self._settle(job, outcome)
        for key, unmet in list(self._unmet.items()):
            if job.key not in unmet:
                continue
            unmet.discard(job.key)
            waiting = self._known[key]
            if outcome.status not in ("done", "kept"):
                unmet.clear()
                self.end(waiting, Outcome(outcome.status, outcome.note))
            elif not unmet:
                self._push(waiting)

    def settled(self) -> Generator[tuple[Job, Outcome], None, None]:
        """Each job that has ended, once."""
        while self._told:
            yield self._told.pop(0)

    def left(self) -> list[Job]:
        """Jobs that have not ended."""
        return [job for key, job in self._known.items() if key not in self._ended]

    def _add(self, job: Job) -> None:
        if job.key in self._known:
            return
        self._known[job.key] = job
        if job.done():
            self._settle(job, KEPT)
        else:
            self._wait(job, job.needs)

    def _wait(self, job: Job, needs: Sequence[Job]) -> None:
        """Make a job wait for others, some of which may have ended."""
        for need in needs:
            self._add(need)
        self._unmet[job.key] = {need.key for need in needs} - self._ended.keys()
        failed = [self._ended[need.key] for need in needs if need.key in self._ended]
        failed = [outcome for outcome in failed if outcome.status not in ("done", "kept")]
        if failed:
            self.end(job, Outcome(failed[0].status, failed[0].note))
        elif not self._unmet[job.key]:
            self._push(job)

    def _push(self, job: Job) -> None:
        self._unmet.pop(job.key, None)
        place = list(self._known).index(job.key)
        heapq.heappush(self.ready, (-job.cost, place, job.key))

    def _settle(self, job: Job, outcome: Outcome) -> None:
        self._unmet.pop(job.key, None)
        self._ended[job.key] = outcome
        self._told.append((job, outcome))
