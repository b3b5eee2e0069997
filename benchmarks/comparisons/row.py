"""A row of the table of comparisons, and the measurement of times."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Time of bnproof and of another package or baseline for the same task.

    Attributes
    ----------
    what
        The task, with its size.
    ours, theirs
        CPU seconds taken by one thread; `theirs` is None if the package is not installed.
    peer
        Name and version of the package, or a description of the baseline.
    required
        The required ratio ``theirs/ours``, if any.
    note
        A remark on accuracy, or the reason why the package is missing.
    """

    what: str
    ours: float
    theirs: float | None
    peer: str
    required: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Speed-up of bnproof."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def kept(self) -> bool:
        """Whether the required ratio is reached; True if there is none or no measurement."""
        return self.required is None or self.ratio is None or self.ratio >= self.required


def alternate(*functions: Callable[[], object], repeats: int = 5) -> list[float]:
    """Return the CPU seconds of each function: the minimum of `repeats` runs after a warm-up.

    The functions are run in turn, so that drifts in the machine's speed affect the ratio less.
    """
    for function in functions:
        function()
    best = [float("inf")] * len(functions)
    for _ in range(repeats):
        for i, function in enumerate(functions):
            start = time.process_time()
            function()
            best[i] = min(best[i], time.process_time() - start)
    return best
