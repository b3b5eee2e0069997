"""What runs and how much is left: a line at the foot of a terminal, nothing elsewhere."""

import shutil
import sys
import time
from collections.abc import Sequence
from typing import Final

from tqdm import tqdm

from bnproof.scheduler.job import Job

LEAST: Final = 0.02  # of the work, before the time that is left is told


class Progress:
    """Lines on standard output, and one on standard error while that is a terminal.

    Parameters
    ----------
    unit
        What the lines are counted as, in the plural.
    total
        How many lines there will be.
    jobs
        Those that are not done.
    """

    def __init__(self, unit: str, total: int, jobs: Sequence[Job]) -> None:
        self._unit, self._total, self._lines = unit, total, 0
        self._left = {job.key: job.cost for job in jobs}
        self._whole = sum(self._left.values())
        self._running: list[str] = []
        self._begun = time.monotonic()
        self._bar = tqdm(bar_format="{desc}", leave=False, disable=None)

    def watch(self, running: Sequence[Job]) -> None:
        """Show what runs."""
        for job in running:
            if job.key not in self._left:  # another job found out that it needs this one
                self._left[job.key] = job.cost
                self._whole += job.cost
        self._running = [job.name for job in running]
        self._show()

    def ended(self, job: Job, log: str, line: str | None) -> None:
        """Take a job off what is left; print what it wrote, and its line."""
        self._left.pop(job.key, None)
        if log:
            tqdm.write(log.rstrip(), file=sys.stderr)
        if line is not None:
            self._lines += 1
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()
        self._show()

    def close(self) -> None:
        """Take the line away."""
        self._bar.close()

    def _show(self) -> None:
        if self._bar.disable:
            return
        parts = [f"{self._lines} of {self._total} {self._unit}", self._time(), *self._running]
        line = "; ".join(filter(None, parts))
        self._bar.set_description_str(line[: shutil.get_terminal_size().columns - 1])

    def _time(self) -> str:
        done = self._whole - sum(self._left.values())
        if done < LEAST * self._whole or not self._whole:
            return ""
        seconds = (time.monotonic() - self._begun) * (self._whole - done) / done
        return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"
