"""Carry jobs out under a person's eyes: what runs, how much is left, and Ctrl-C."""

import math
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

from bnproof.scheduler.job import Job, Outcome
from bnproof.scheduler.progress import Progress
from bnproof.scheduler.schedule import RETRIES, Engine, run


def drive(
    jobs: Sequence[Job],
    engine: Engine,
    ended: Callable[[Job, Outcome], str | None],
    *,
    unit: str,
    total: int,
    retries: int = RETRIES,
    limit: float = math.inf,
    deadline: float = math.inf,
) -> bool:
    """Carry out jobs and what they need, until all are done or Ctrl-C or SIGTERM comes.

    Parameters
    ----------
    ended
        Is told each job once, as it ends; what it returns is printed.
    unit, total
        What the lines that it returns are counted as, and how many there will be.
    retries, limit, deadline
        As for `bnproof.scheduler.schedule.run`.

    Returns
    -------
    bool
        False if it was interrupted.
    """
    progress = Progress(unit, total, pending(jobs))
    results = run(
        jobs, engine, retries=retries, limit=limit, deadline=deadline, watch=progress.watch
    )
    try:
        with _stopping(), closing(results):
            for job, outcome in results:
                progress.ended(job, outcome.log, ended(job, outcome))
    except KeyboardInterrupt:
        return False
    finally:
        progress.close()
    return True


def pending(jobs: Iterable[Job]) -> list[Job]:
    """The jobs that are not done, and those that they need."""
    found: dict[str, Job] = {}
    for job in jobs:
        if job.key not in found and not job.done():
            found |= {need.key: need for need in pending(job.needs)} | {job.key: job}
    return list(found.values())


@contextmanager
def _stopping() -> Iterator[None]:
    """SIGTERM, which a batch system sends before the time is over, is like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
