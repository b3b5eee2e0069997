"""Carry out experiments, seed by seed, each kept in its own folder as soon as it is measured."""

import importlib.metadata
import math
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from bnproof.empirical.data.load import Images, load
from bnproof.empirical.experiment import Series, experiment_of, judge
from bnproof.empirical.training.loop import exactly
from bnproof.empirical.training.run_folder import RunFolder, State, plain
from bnproof.empirical.trial import Size, Trained, Trial, UnfinishedError
from bnproof.theory.claim import Claim, Evidence, Settings
from bnproof.theory.common.code import code_hash


@dataclass(frozen=True)
class Results:
    """Measurements of some seeds, and what is needed to repeat them.

    Attributes
    ----------
    series
        Every quantity of every network; the first axis is the seed.
    where
        Data set, seeds and sizes in words.
    provenance
        The same by name.
    seconds
        Spent on all seeds, training included, in all parts of the run.
    """

    series: Series
    where: str
    provenance: Mapping[str, Any]
    seconds: float


def check(claim: Claim, settings: Settings, *, root: Path | None = None) -> Evidence:
    """Carry out the experiment of `claim` and judge it.

    Parameters
    ----------
    root
        Folder of all runs, which are kept and read again; None keeps nothing.

    Returns
    -------
    Evidence
        `holds` tells whether every criterion is satisfied (None where a number is not finite),
        `control_differs` whether the control got the opposite answer.  `series` holds every
        quantity of every network as an array whose first axis is the seed.

    Raises
    ------
    ValueError
        If the claim has no experiment.
    DataError
        If `settings.data` holds no readable CIFAR-10.
    """
    with tempfile.TemporaryDirectory() if root is None else nullcontext(root) as folder:
        results = measure(claim, settings, root=Path(folder))
    return judge(
        experiment_of(claim), results.series, where=results.where, provenance=results.provenance
    )


def measure(
    claim: Claim,
    settings: Settings,
    *,
    root: Path,
    seeds: int | None = None,
    deadline: float = math.inf,
) -> Results:
    """Measure every seed, or read those that are measured already.

    Parameters
    ----------
    root
        Folder of all runs.
    seeds
        Number of seeds, from `settings.seed` on; that of the scale if None.
    deadline
        Reading of `time.monotonic` at which training stops, resumable.

    Raises
    ------
    bnproof.empirical.trial.UnfinishedError
        When the deadline has passed.
    """
    experiment = experiment_of(claim)
    numbers = [settings.seed + number for number in range(seeds or size_of(claim, settings).seeds)]
    images = load(settings.data, limit=size_of(claim, settings).images)
    name = experiment.data or images.name
    found = [
        _seed(claim, trial_of(claim, settings, images, seed, root=root, deadline=deadline))
        for seed in tqdm(numbers, desc=claim.id, unit="seed", leave=False, disable=None)
    ]
    return Results(
        series=_stacked([row["measured"] for row in found]),
        where=f"{name}, {size_of(claim, settings).words(len(numbers))}",
        provenance={
            "data set": name,
            **({} if experiment.data else {"training images": len(images.train)}),
            "batch": size_of(claim, settings).batch,
            "seeds": numbers,
            "scale": settings.scale.value,
            "device": settings.device,
            "torch": torch.__version__,
            **_training(found),
            **experiment.networks,
            "control": experiment.control,
        },
        seconds=sum(row["seconds"] for row in found),
    )


def size_of(claim: Claim, settings: Settings) -> Size:
    """What the scale that was chosen means for the experiment of `claim`."""
    return experiment_of(claim).sizes[settings.scale]


def trial_of(
    claim: Claim,
    settings: Settings,
    images: Images,
    seed: int,
    *,
    root: Path,
    deadline: float = math.inf,
) -> Trial:
    """One seed of the experiment of `claim`."""
    return Trial(
        images=images,
        seed=seed,
        device=settings.device,
        size=size_of(claim, settings),
        scale=settings.scale,
        runs=root,
        deadline=deadline,
    )


def trial_config(claim: Claim, trial: Trial) -> dict[str, Any]:
    """What the measurements of one seed depend on, the code of the experiment included."""
    return {
        "experiment": claim.id,
        "code": code_of(experiment_of(claim).run.__module__),
        "bnproof": importlib.metadata.version("bnproof"),
        "scale": trial.scale.value,
        "size": asdict(trial.size),
        "seed": trial.seed,
        "data": trial.images.config,
        "device": trial.device,
    }


@cache  # what was loaded is what runs, whatever is edited meanwhile
def code_of(name: str) -> str:
    """Hash of the code of a loaded module and of all modules of `empirical` that it imports.

    Code that is in no file, typed at a prompt, gets a hash that no other process gives: what was
    measured with it is not taken for what other code would measure.
    """
    try:
        return code_hash(name, within="bnproof.empirical")
    except ValueError:
        return uuid.uuid4().hex


def _seed(claim: Claim, trial: Trial) -> State:
    """Measurements of one seed: read if they are there, else made and kept."""
    assert trial.runs is not None
    run = RunFolder(trial.runs, trial_config(claim, trial))
    with run.held(wait=-1):
        kept = run.result()
        if kept is not None:
            return kept
        if not experiment_of(claim).trains and time.monotonic() > trial.deadline:
            raise UnfinishedError  # training looks at the clock itself, step by step
        result = _measured(claim, trial)
        run.finish(result)
        return result


def _measured(claim: Claim, trial: Trial) -> State:
    begun = time.monotonic()
    with exactly():
        measured = experiment_of(claim).run(trial)
    found: State = plain(
        {
            "measured": measured,
            "trained": [_summary(one) for one in trial.trained],
            "seconds": sum(one.seconds for one in trial.trained) or time.monotonic() - begun,
        }
    )
    return found


def _summary(one: Trained) -> State:
    """A training run in a line of the evidence; its curve stays in its folder."""
    return asdict(one.training_config) | {
        "data": one.data,
        "diverged": one.diverged,
        "seconds": one.seconds,
    }


def _training(found: Sequence[State]) -> dict[str, Any]:
    """What the training runs have in common, and how many there were."""
    runs = [one for row in found for one in row["trained"]]
    if not runs:
        return {}
    names = ("steps", "momentum", "decay", "schedule", "augment", "precision")
    same = {
        name: values.pop() if len(values := {run[name] for run in runs}) == 1 else "various"
        for name in names
    }
    diverged = sum(run["diverged"] is not None for run in runs)
    return {"training runs": len(runs), "diverged": diverged, **same}


def _stacked(trials: Sequence[Mapping[str, Mapping[str, Any]]]) -> Series:
    """Arrays whose first axis is the trial."""
    return {
        net: {
            name: np.stack([np.asarray(trial[net][name], dtype=float) for trial in trials])
            for name in rows
        }
        for net, rows in trials[0].items()
    }
