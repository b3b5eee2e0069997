"""One line of the table of ratios, and how its times are taken."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Seconds of ours and of a peer (or a naive baseline) for the same work.

    Attributes
    ----------
    what
        The work, with its size.
    ours, theirs
        Seconds for it; `theirs` is None where the peer is not installed.
    peer
        Name and version of the peer, or what the baseline is.
    required
        The ratio ``theirs/ours`` that the project promises, if it promises one.
    note
        One sentence: accuracy of both, or why the peer is missing.
    """

    what: str
    ours: float
    theirs: float | None
    peer: str
    required: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def kept(self) -> bool:
        """Whether the promise is kept; True where there is none or the peer is missing."""
        return self.required is None or self.ratio is None or self.ratio >= self.required


def alternate(*functions: Callable[[], object], repeats: int = 5) -> list[float]:
    """Seconds of each function: the least of `repeats` runs, taken in turn, after one warm-up.

    In turn, because a shared machine's speed drifts: a ratio is then disturbed less than its parts.
    """
    for function in functions:
        function()
    best = [float("inf")] * len(functions)
    for _ in range(repeats):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - start)
    return best
