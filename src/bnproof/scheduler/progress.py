"""Progress display: a status line at the bottom of a terminal."""

import shutil
import sys
import time
from collections.abc import Sequence
from typing import Final

from tqdm import tqdm

from bnproof.scheduler.job import Job

MIN_SHARE: Final = 0.02  # share of the work to finish before the remaining time is estimated


class Progress:
    """Prints lines to standard output, and a status line to standard error if it is a terminal.

    Parameters
    ----------
    unit
        Unit of the lines, in the plural.
    total
        Expected number of lines.
    jobs
        Unfinished jobs.
    measured
        Whether their costs were measured, so that the time can be told before any has ended.
    """

    def __init__(
        self, unit: str, total: int, jobs: Sequence[Job], *, measured: bool = False
    ) -> None:
        self._unit, self._total, self._lines = unit, total, 0
        self._left = {job.key: job.cost for job in jobs}
        self._total_cost = sum(self._left.values())
        self._running: list[str] = []
        self._measured = measured
        self._start = time.monotonic()
        self._bar = tqdm(bar_format="{desc}", leave=False, disable=None)

    def watch(self, running: Sequence[Job]) -> None:
        """Update the running jobs."""
        for job in running:
            if job.key not in self._left:  # added later, because another job needs it
                self._left[job.key] = job.cost
                self._total_cost += job.cost
        self._running = [job.name for job in running]
        self._show()

    def ended(self, job: Job, log: str, line: str | None) -> None:
        """Record the end of a job; print its log and its line."""
        self._left.pop(job.key, None)
        if log:
            tqdm.write(log.rstrip(), file=sys.stderr)
        if line is not None:
            self._lines += 1
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()
        self._show()

    def close(self) -> None:
        """Remove the status line."""
        self._bar.close()

    def _show(self) -> None:
        if self._bar.disable:
            return
        parts = [f"{self._lines} of {self._total} {self._unit}", self._time(), *self._running]
        line = "; ".join(filter(None, parts))
        self._bar.set_description_str(line[: shutil.get_terminal_size().columns - 1])

    def _time(self) -> str:
        done = self._total_cost - sum(self._left.values())
        passed = time.monotonic() - self._start
        if done >= MIN_SHARE * self._total_cost and done:
            return _left(passed * (self._total_cost - done) / done)
        if self._measured and self._running:
            return "about " + _left(max(self._total_cost / len(self._running) - passed, 0))
        return ""


def _left(seconds: float) -> str:
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"
