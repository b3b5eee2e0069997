"""The largest learning rate at which a network learns: definition and an efficient search.

A network that does not diverge need not learn: if all its units died, it keeps the finite loss of a
constant output, log 10.  So learning means a lower loss than that on batches that the network has
not seen before. To rule out luck, a rate counts only if the network also learns at the next smaller
one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bnproof.empirical.trial import Trained

CHANCE: Final = 0.1  # accuracy in ten classes
GUESSING: Final = "a network that guesses"  # part of a control
CHANCE_LOSS: Final = math.log(10)
# How far the mean loss must be below it (ours): a constant output has it but for the fluctuation of
# the classes in the batches.  Accuracies would need more updates to tell: random features are
# slightly informative, so that a network trained on shuffled labels is above chance too.
MARGIN: Final = 0.02
LEARNT: Final = 0.2  # test accuracy above which a network counts as having learnt
FACTOR: Final = 2.0  # ratio of neighbouring rates of a grid
Learns = Callable[[float], bool]


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes
    ----------
    rate
        The largest rate; None if the network learns at no two neighbouring rates.
    trials
        Number of rates tried.
    """

    rate: float | None
    trials: int


def grid(largest: float, count: int) -> tuple[float, ...]:
    """`count` ascending rates up to `largest`, spaced by `FACTOR`."""
    return tuple(largest / FACTOR**number for number in reversed(range(count)))


def largest_rate(rates: Sequence[float], learns: Learns, *, start: float) -> Found:
    """Find the largest rate of a grid at which a network learns.

    A rate counts if the network learns at it and at the next smaller rate; the smallest counts by
    itself.  The search starts at `start` and goes up as long as rates count, or down to the first
    that counts.  So it finds the upper end of the range that contains `start` or lies below it.  It
    does not try smaller rates, at which the network may learn too slowly, or rates beyond the first
    larger one that fails.  If no rate below `start` counts, it searches above.

    Parameters
    ----------
    rates
        The grid, ascending.
    learns
        Whether a network learns at a rate; called at most once per rate.
    start
        A guess: the search starts at the largest rate of the grid that does not exceed it, or at
        the smallest rate.

    Raises
    ------
    ValueError
        If `rates` is empty or not ascending.
    """
    if not rates or any(a >= b for a, b in pairwise(rates)):
        raise ValueError(f"rates {list(rates)}: must be one or more, ascending")
    known: dict[int, bool] = {}

    def at(number: int) -> bool:
        if number not in known:
            known[number] = learns(rates[number])
        return known[number]

    def counts(number: int) -> bool:
        return at(number) and (number == 0 or at(number - 1))

    first = max(sum(rate <= start for rate in rates) - 1, 0)
    order = [*range(first, -1, -1), *range(first + 1, len(rates))]
    place = next((number for number in order if counts(number)), None)
    if place is None:
        return Found(None, len(known))
    while place + 1 < len(rates) and at(place + 1):
        place += 1
    return Found(rates[place], len(known))


def accuracy(run: Trained) -> float:
    """Final test accuracy of a run; `CHANCE` if it diverged."""
    return CHANCE if run.diverged is not None else run.last("test accuracy")


def learns(run: Trained) -> bool:
    """Whether the mean loss between the last two evaluations is `MARGIN` below that of chance."""
    return run.diverged is None and run.last("loss") <= CHANCE_LOSS - MARGIN
