"""Run jobs with a progress display and handling of Ctrl-C."""

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
    foreseen: Sequence[Job] = (),
) -> bool:
    """Run jobs and their dependencies until all have ended, or until Ctrl-C or SIGTERM.

    Parameters
    ----------
    ended
        Called once for each job that has ended; returns a line to print or None.
    unit, total
        Unit (plural) and expected number of these lines, for the progress display.
    foreseen
        Jobs of measured cost that some of `jobs` will need, for the time that is left.
    retries, limit, deadline
        See `bnproof.scheduler.schedule.run`.

    Returns
    -------
    bool
        False if interrupted.
    """
    progress = Progress(unit, total, [*pending(jobs), *foreseen], measured=bool(foreseen))
    results = run(
        jobs, engine, retries=retries, limit=limit, deadline=deadline, watch=progress.watch
    )
    try:
        with _sigterm_interrupts(), closing(results):
            for job, outcome in results:
                progress.ended(job, outcome.log, ended(job, outcome))
    except KeyboardInterrupt:
        return False
    finally:
        progress.close()
    return True


def pending(jobs: Iterable[Job]) -> list[Job]:
    """Return the unfinished jobs and their unfinished dependencies."""
    unfinished: dict[str, Job] = {}
    for job in jobs:
        if job.key not in unfinished and not job.done():
            unfinished |= {need.key: need for need in pending(job.needs)} | {job.key: job}
    return list(unfinished.values())


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Treat SIGTERM, which batch systems send before a time limit, like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
