"""The quantities that decide an experiment, against the length of training and the width.

At a constant rate the beginning of a run is a shorter run: it has the same weights, images and
evaluations.  So a run of 15,000 updates also measures what the experiment would have given after
1,000, with every choice made from those 1,000 alone, such as the rate at which networks are
compared.  Fewer evaluations fall into a shorter run, and a length is used if at least `LEAST` do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import Experiment, Series, experiment_of
from bnproof.empirical.plan import training_runs
from bnproof.empirical.runner import seeds_of, size_of, trial_of
from bnproof.empirical.training.arithmetic import exactly
from bnproof.empirical.trial import Conduct, MissingError, Part, look_up
from bnproof.theory.claim import Claim, Scale, Settings

LENGTHS: Final = (300, 1_000, 3_000, 15_000)
LEAST: Final = 3  # evaluations after the first: one for each third of the updates
SCALES: Final = (Scale.QUICK, Scale.LONG)  # of one depth; `paper` has a deeper network
ALWAYS: Final = ("rate, ",)  # beginnings of quantities that are kept, though they decide nothing


@dataclass(frozen=True)
class Point:
    """What an experiment measures after some updates.

    Attributes
    ----------
    settings
        Scale and variant of the runs, and the first seed.
    updates
        Updates of each run that count.
    seeds
        The seeds that were measured.
    series
        The quantities that decide, of all networks; the first axis is the seed.
    """

    settings: Settings
    updates: int
    seeds: list[int]
    series: Series


def lengths(experiment: Experiment, scale: Scale) -> list[int]:
    """The numbers of updates that runs of a scale can stand for, the longest last.

    None if they differ in their length or depend on it.
    """
    runs = training_runs(experiment, scale)
    full = experiment.sizes[scale].updates
    if not runs or any(run.schedule == "step" or run.steps != full for run in runs):
        return []
    return [
        updates
        for updates in dict.fromkeys((*(n for n in LENGTHS if n < full), full))
        if all(updates % run.every == 0 and updates >= LEAST * run.every for run in runs)
    ]


def points(
    claim: Claim,
    settings: Settings,
    root: Path,
    *,
    seeds: int | None = None,
    runner: Conduct = look_up,
) -> Iterator[Point | MissingError]:
    """Measure one variant at one scale after every possible number of updates, the longest first.

    Parameters
    ----------
    settings
        As for `bnproof.empirical.runner.measure`.
    root
        Folder of all runs.
    seeds
        Number of seeds; None for that of the scale.
    runner
        `look_up` reads runs that are done; `bnproof.empirical.trial.here` trains the others.

    Yields
    ------
    Point or MissingError
        The measurements, or which runs are not done.
    """
    experiment = experiment_of(claim)
    images = load(settings.data, limit=size_of(claim, settings).images)
    numbers = seeds_of(claim, settings, seeds)
    for updates in reversed(lengths(experiment, settings.scale)):
        rows, missing = [], dict[str, Part]()
        for seed in numbers:
            trial = trial_of(claim, settings, images, seed, root=root, runner=runner, until=updates)
            try:
                with exactly():
                    rows.append(_deciding(experiment, experiment.run(trial)))
            except MissingError as error:
                missing |= error.parts
        if missing:
            yield MissingError(missing)
        else:
            yield Point(settings, updates, numbers, _stacked(rows))


def _deciding(
    experiment: Experiment, measured: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """The quantities of the criteria, of every network that has them."""
    asked = {criterion.quantity for criterion in experiment.criteria}
    return {
        net: {
            name: np.asarray(value, dtype=float)
            for name, value in rows.items()
            if name in asked or name.startswith(ALWAYS)
        }
        for net, rows in measured.items()
    }


def _stacked(rows: list[dict[str, dict[str, NDArray[np.float64]]]]) -> Series:
    return {
        net: {name: np.stack([row[net][name] for row in rows]) for name in quantities}
        for net, quantities in rows[0].items()
    }
