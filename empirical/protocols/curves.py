"""Quantities through training: what metrics recorded, at steps spread over a run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bnproof.empirical.experiment import WITH, Control
from bnproof.empirical.trial import Trained

SHOWN: Final = 40  # maximum number of evaluations in a figure and a published record
STAGES: Final = 4
CEILING: Final = 1e12  # replaces larger and non-finite values

# What `recorded` reads with ``control=True``.
OWN_GRADIENT: Final = Control(
    "the same networks under the loss half the squared length of all normalised activations, whose "
    "gradient is the activation",
    passes=True,
    made_of=WITH,
)

Array = NDArray[np.float64]
Steps = NDArray[np.int64]


def moments(run: Trained) -> Steps:
    """Steps of all configured evaluations, including those after a divergence."""
    training_config = run.training_config
    return np.arange(0, training_config.steps + 1, training_config.every)


def spread(steps: Steps) -> Steps:
    """Select at most `SHOWN` steps, equally spaced in the logarithm."""
    if len(steps) <= SHOWN:
        return steps
    places = np.geomspace(1, len(steps), SHOWN).round().astype(int) - 1
    chosen: Steps = steps[np.unique(places)]
    return chosen


def rows(run: Trained, steps: Steps, *path: str) -> Array:
    """A recorded quantity at these steps, (steps, ...); NaN after a divergence.

    ``rows(found, steps, "shift", "cosine")`` reads what a metric recorded.

    Raises
    ------
    ValueError
        If it was not recorded at any of them.
    """
    recorded = {row["step"]: _entry(row, path) for row in run.curve}
    values = {step: np.asarray(v, dtype=float) for step, v in recorded.items() if v is not None}
    kept = [values.get(int(step)) for step in steps]
    first = next((value for value in kept if value is not None), None)
    if first is None:
        raise ValueError(f"{' '.join(path)}: recorded at none of the steps {list(steps)}")
    return np.stack([np.full_like(first, math.nan) if value is None else value for value in kept])


def recorded(run: Trained, names: Sequence[str], *, control: bool = False) -> Mapping[str, Array]:
    """What the metric ``theorems`` recorded in a run, by name: (evaluations, layers).

    The first evaluation, before any update, is left out. With `control`, the values of its control
    at all evaluations that have one.  NaN after a divergence.
    """
    steps, path = moments(run)[1:], ["theorems"]
    if control:
        with_one = [row for row in run.curve if "control" in row.get("theorems", {})]
        steps, path = np.array([row["step"] for row in with_one]), ["theorems", "control"]
    return {name: rows(run, steps, *path, name) for name in names}


def stages(values: Array) -> Array:
    """Median over each of `STAGES` equal parts of the evaluations.

    Raises
    ------
    ValueError
        If there are fewer evaluations than stages.
    """
    if len(values) < STAGES:
        raise ValueError(f"{len(values)} evaluations: must be {STAGES} or more")
    return np.array([np.median(part, axis=0) for part in np.array_split(values, STAGES)])


def extended(values: Array, count: int) -> Array:
    """Repeat the last value up to `count`: a run that diverged keeps its last accuracy."""
    return np.concatenate([values, np.full(count - len(values), values[-1])])


def capped(values: Array) -> Array:
    """Replace larger values, infinities and NaN by `CEILING`."""
    return np.minimum(np.nan_to_num(values, nan=math.inf, posinf=math.inf), CEILING)


def _entry(row: Any, path: Sequence[str]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, dict) else None
    return row
