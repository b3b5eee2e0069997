"""Schedule jobs: dependencies first, longest first, with retries after crashes."""

import heapq
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Final, Protocol

from bnproof.scheduler.job import Job, Outcome
from bnproof.theory.common.files import WriteError

POLL: Final = 1.0  # seconds between checks of the clock
RETRIES: Final = 1  # further attempts at a job whose process dies
KEPT: Final = Outcome("kept")
SUCCESS: Final = ("done", "kept")


class Engine(Protocol):
    """Runs jobs in the order in which they are started.

    Attributes
    ----------
    threads
        Number of threads per job.
    """

    threads: int

    def room(self) -> bool:
        """Whether another job can be started."""

    def start(self, job: Job, seconds: float) -> None:
        """Start a job with a time limit."""

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """Wait until a job ends, for at most `seconds`; return the jobs that have ended."""

    def close(self) -> None:
        """Stop running jobs, wait for their checkpoints, and end all processes."""


def run(
    jobs: Iterable[Job],
    engine: Engine,
    *,
    retries: int = RETRIES,
    limit: float = math.inf,
    deadline: float = math.inf,
    watch: Callable[[Sequence[Job]], None] = lambda running: None,
) -> Generator[tuple[Job, Outcome], None, None]:
    """Run jobs and their dependencies; yield each once, as it ends.

    The engine is closed at the end, also after an exception such as KeyboardInterrupt.

    Parameters
    ----------
    retries
        Further attempts at a job whose process dies.
    limit
        Time limit per attempt, in seconds.
    deadline
        Value of `time.monotonic` at which all jobs are stopped.
    watch
        Called with the running jobs whenever they change, and every second.

    Raises
    ------
    WriteError
        If a result cannot be written, which would affect the other jobs too.
    """
    plan = _Plan(jobs)
    running: dict[str, Job] = {}
    crashes: Counter[str] = Counter()
    try:
        yield from plan.finished()
        while plan.ready or running:
            left = deadline - time.monotonic()
            while plan.ready and left > 0 and engine.room():
                job = plan.next()
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
                    crashes[job.key] += 1
                    if crashes[job.key] <= retries:
                        plan.push(job)
                        continue
                    times = f", {retries + 1} times" if retries else ""
                    outcome = Outcome("failed", f"{job.name}: {outcome.note}{times}", outcome.log)
                plan.end(job, outcome)
                yield from plan.finished()
            watch(list(running.values()))
        for job in plan.left():
            yield job, Outcome("unfinished")
    finally:
        engine.close()


class _Plan:
    """Jobs, their dependencies, and the outcomes of those that have ended."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._known: dict[str, Job] = {}
        self._order: dict[str, int] = {}
        self._needs: dict[str, set[str]] = {}  # of waiting jobs
        self._ended: dict[str, Outcome] = {}
        self._finished: deque[tuple[Job, Outcome]] = deque()
        self.ready: list[tuple[float, int, str]] = []  # a heap
        for job in jobs:
            self._add(job)

    def next(self) -> Job:
        """Remove and return the longest job that is ready."""
        return self._known[heapq.heappop(self.ready)[-1]]

    def push(self, job: Job) -> None:
        """Mark a job as ready."""
        heapq.heappush(self.ready, (-job.cost, self._order[job.key], job.key))

    def end(self, job: Job, outcome: Outcome) -> None:
        """Record the outcome of a job and update the jobs that depend on it."""
        if outcome.status == "waiting":
            self._wait(job, outcome.needs)
            return
        self._ended[job.key] = outcome
        self._finished.append((job, outcome))
        for key in [key for key, needs in self._needs.items() if job.key in needs]:
            self._update(key)

    def finished(self) -> Generator[tuple[Job, Outcome], None, None]:
        """Yield each job that has ended, once."""
        while self._finished:
            yield self._finished.popleft()

    def left(self) -> list[Job]:
        """Return the jobs that have not ended."""
        return [job for key, job in self._known.items() if key not in self._ended]

    def _add(self, job: Job) -> None:
        if job.key in self._known:
            return
        self._known[job.key] = job
        self._order[job.key] = len(self._order)
        if job.done():
            self.end(job, KEPT)
        else:
            self._wait(job, job.needs)

    def _wait(self, job: Job, needs: Sequence[Job]) -> None:
        """Make a job wait for others, some of which may have ended."""
        self._needs[job.key] = {need.key for need in needs}
        for need in needs:
            self._add(need)
        self._update(job.key)

    def _update(self, key: str) -> None:
        """Mark a waiting job as ready or failed if its dependencies have ended."""
        if key not in self._needs:  # it failed already
            return
        needs = self._needs[key]
        outcomes = [self._ended[need] for need in needs if need in self._ended]
        failure = next((outcome for outcome in outcomes if outcome.status not in SUCCESS), None)
        if failure is None and len(outcomes) < len(needs):
            return
        del self._needs[key]
        if failure is None:
            self.push(self._known[key])
        else:
            self.end(self._known[key], Outcome(failure.status, failure.note))
