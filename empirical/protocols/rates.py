"""The largest learning rate at which a network learns: what it is, and how to find it cheaply.

A net that survives need not learn: one whose units all died keeps the finite loss of a constant
output, log 10.  So learning is a loss below that, of batches that the network has not seen before.
And it must not be by luck: a rate counts only if the next smaller one learns too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bnproof.empirical.trial import Trained

CHANCE: Final = 0.1  # accuracy in ten classes
CHANCE_LOSS: Final = math.log(10)
# How far the mean loss must be below it; over 200 batches of 16 that of a constant output strays by
# about 0.005.  Accuracies need more updates: on 500 images a network that was trained on shuffled
# labels can reach 0.17, because random features tell classes apart a little.
MARGIN: Final = 0.02
LEARNT: Final = 0.2  # test accuracy from which on a network is said to have learnt
FACTOR: Final = 2.0  # between neighbours of a grid
Learns = Callable[[float], bool]


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    rate
        The largest rate; None if no two neighbours learn.
    trials
        How many rates were tried.
    """

    rate: float | None
    trials: int


def grid(largest: float, count: int) -> tuple[float, ...]:
    """`count` rates up to `largest`, ascending by `FACTOR`."""
    return tuple(largest / FACTOR**number for number in reversed(range(count)))


def largest_rate(rates: Sequence[float], learns: Learns, *, start: float) -> Found:
    """Find the largest rate of a grid at which a network learns.

    A rate counts if the network learns at it and at the next smaller rate; the smallest counts by
    itself.  The search walks from `start`: up as long as the rates count, or down to the first that
    does.  So it finds the upper end of the range that `start` is in or above of.  Smaller rates,
    at which the network may be too slow to learn in the updates that it has, are not tried, nor is
    what lies beyond the first larger rate that fails.  If nothing counts below `start`, it looks
    above.

    Parameters
    ----------
    rates
        The grid, ascending.
    learns
        Whether a network learns at a rate; asked once for each.
    start
        A guess: the walk begins at the largest rate of the grid that does not exceed it, or at the
        smallest.

    Raises
    ------
    ValueError
        If `rates` is empty or does not ascend.
    """
    if not rates or any(a >= b for a, b in pairwise(rates)):
        raise ValueError(f"rates {list(rates)}: give one or more, ascending")
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


def accuracy(found: Trained) -> float:
    """Test accuracy at the end of a run; `CHANCE` if it diverged."""
    return CHANCE if found.diverged is not None else found.last("test accuracy")


def learns(found: Trained) -> bool:
    """Whether the mean loss between the last two looks is `MARGIN` below that of chance."""
    return found.diverged is None and found.last("loss") <= CHANCE_LOSS - MARGIN
