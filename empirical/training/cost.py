"""How long a training run takes on one core: one function, from a table that a benchmark measured.

The table, ``cost.json``, is written by ``benchmarks/training_cost.py`` and names the processor and
the date.  It holds the images a second of every network that experiments train, in both precisions,
and the cost of forward passes and metrics relative to that of an update.
"""

import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Final

from bnproof.empirical.metrics.shift_callbacks import is_measured
from bnproof.empirical.training.callbacks import SELDOM
from bnproof.empirical.training.config import TrainingConfig
from bnproof.theory.common.checksum import canonical
from bnproof.theory.common.modes import Precision

TABLE: Final = Path(__file__).with_name("cost.json")
FREE: Final = ("init", "gain")  # options of a network that do not change its cost
CHEAP: Final = (*FREE, "norm", "noise", "nonlinearity")  # nor these by much

# At which steps a metric is measured that is not measured at every evaluation.
DUE: Final[Mapping[str, Callable[[int], bool]]] = {
    "sharpness": lambda step: step % SELDOM == 0,
    "shift": is_measured,
    "earth mover": is_measured,
    "surface": lambda step: step > 0,
}


AGAIN: Final = ("as trained",)  # metrics that evaluate a network once more, in another mode


@cache
def table() -> Mapping[str, Any]:
    """The measured table.

    ``networks``: images a second by `key`, precision and size of the batch.  ``forward``: the time
    of a forward pass over that of an update.  ``metrics``: that of each metric over that of an
    update, by family.
    """
    content: Mapping[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return content


def key(network: Mapping[str, Any], ignored: Collection[str] = FREE) -> str:
    """The name of a network in the table, without some of its options."""
    return canonical({name: value for name, value in network.items() if name not in ignored})


@cache
def _alike(ignored: Collection[str]) -> Mapping[str, list[Mapping[str, Mapping[str, float]]]]:
    """The entries of the networks that differ only in what is ignored."""
    groups: dict[str, list[Mapping[str, Mapping[str, float]]]] = {}
    for name, entry in table()["networks"].items():
        groups.setdefault(key(json.loads(name), ignored), []).append(entry)
    return groups


def images_a_second(network: Mapping[str, Any], batch: int, precision: Precision) -> float:
    """Images of a training set that one core processes in a second, without evaluations.

    The time of an update is linear in the size of the batch, between the two that were measured and
    beyond.  For a network that was not measured, the median over those that differ in their
    normalisation or nonlinearity, or else over all.
    """
    entries = (
        _alike(FREE).get(key(network, FREE))
        or _alike(CHEAP).get(key(network, CHEAP))
        or list(table()["networks"].values())
    )
    return median(_interpolated(entry[precision], batch) for entry in entries)


def _interpolated(rates: Mapping[str, float], batch: int) -> float:
    """Images a second at a size of the batch, given those at one or two sizes."""
    updates = {int(size): int(size) / rate for size, rate in rates.items()}
    low, high = min(updates), max(updates)
    each = updates[high] / high
    if low < high:
        each = (updates[high] - updates[low]) / (high - low)
    return batch / max(updates[high] + each * (batch - high), each * batch)


def seconds(training_config: TrainingConfig) -> float:
    """Estimated duration of a training run on one core, with its evaluations and metrics."""
    given = training_config
    updates = given.steps + _looks(given)
    rate = images_a_second(given.network, given.batch, given.precision)
    return float(updates * given.batch / rate)


def _looks(given: TrainingConfig) -> float:
    """The evaluations and metrics of a run, as a number of updates that take as long."""
    moments = [*range(0, given.steps, given.every), given.steps]
    costs = table()["metrics"].get(given.network.get("family"), {})
    passes = len(moments) * (1 + sum(name in AGAIN for name in given.metrics))
    forward: float = passes * table()["forward"] * 2 * given.tested / given.batch
    watched: float = sum(
        costs.get(name, 0.0) * sum(map(DUE.get(name, _always), moments))
        for name in given.metrics
        if name not in AGAIN
    )
    return forward + watched


def _always(_step: int) -> bool:
    return True
