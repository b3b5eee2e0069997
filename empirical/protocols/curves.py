"""The course of a quantity through training: what probes recorded, at moments spread over a run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bnproof.empirical.trial import Trained

SHOWN: Final = 40  # moments of a run, at most, that a figure and a published record show
STAGES: Final = 4
CEILING: Final = 1e12  # stands for what is larger or not finite

Array = NDArray[np.float64]
Steps = NDArray[np.int64]


def moments(found: Trained) -> Steps:
    """Steps of all evaluations that the recipe asks for, also those after a divergence."""
    training_config = found.training_config
    return np.arange(0, training_config.steps + 1, training_config.every)


def spread(steps: Steps) -> Steps:
    """All if they are at most `SHOWN`, else fewer, dense at the beginning: equal in logarithm."""
    if len(steps) <= SHOWN:
        return steps
    places = np.geomspace(1, len(steps), SHOWN).round().astype(int) - 1
    chosen: Steps = steps[np.unique(places)]
    return chosen


def rows(found: Trained, steps: Steps, *path: str) -> Array:
    """What was recorded at these steps, (steps, ...); NaN where the run had diverged.

    ``rows(found, steps, "shift", "cosine")`` for what a probe recorded.

    Raises
    ------
    ValueError
        If it was recorded at none of them.
    """
    recorded = {row["step"]: _entry(row, path) for row in found.curve}
    values = {step: np.asarray(v, dtype=float) for step, v in recorded.items() if v is not None}
    kept = [values.get(int(step)) for step in steps]
    first = next((value for value in kept if value is not None), None)
    if first is None:
        raise ValueError(f"{' '.join(path)}: recorded at none of the steps {list(steps)}")
    return np.stack([np.full_like(first, math.nan) if value is None else value for value in kept])


def recorded(found: Trained, names: Sequence[str], *, control: bool = False) -> Mapping[str, Array]:
    """What the watch ``theorems`` recorded in a run, by name: (evaluations, layers).

    The first evaluation, before any update, is left out.
    With `control`, of its control, at all evaluations that have one.  NaN after a divergence.
    """
    steps, path = moments(found)[1:], ["theorems"]
    if control:
        with_one = [row for row in found.curve if "control" in row.get("theorems", {})]
        steps, path = np.array([row["step"] for row in with_one]), ["theorems", "control"]
    return {name: rows(found, steps, *path, name) for name in names}


def stages(values: Array) -> Array:
    """Median over the moments in each of `STAGES` equal parts of a row of moments.

    Raises
    ------
    ValueError
        If there are fewer moments than stages.
    """
    if len(values) < STAGES:
        raise ValueError(f"{len(values)} moments: give {STAGES} or more")
    return np.array([np.median(part, axis=0) for part in np.array_split(values, STAGES)])


def extended(values: Array, count: int) -> Array:
    """Repeat the last value up to `count`: a run that diverged keeps its last accuracy."""
    return np.concatenate([values, np.full(count - len(values), values[-1])])


def capped(values: Array) -> Array:
    """The same with `CEILING` for what is larger, infinite or NaN."""
    return np.minimum(np.nan_to_num(values, nan=math.inf, posinf=math.inf), CEILING)


def _entry(row: Any, path: Sequence[str]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, dict) else None
    return row
