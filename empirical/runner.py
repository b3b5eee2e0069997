"""Run experiments seed by seed; each seed is saved in its own folder once it is measured."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from bnproof.empirical.data.load import Images, load
from bnproof.empirical.experiment import CONTROL, SECOND, Series, experiment_of, judge
from bnproof.empirical.training.arithmetic import exactly
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.provenance import code_of, surroundings
from bnproof.empirical.training.run_folder import RunFolder, State, plain
from bnproof.empirical.trial import (
    NO_VARIANT,
    Conduct,
    MissingError,
    Size,
    Trained,
    Trial,
    Variant,
    here,
)
from bnproof.simulate.threads import one_thread
from bnproof.theory.claim import Claim, Evidence, Settings
from bnproof.theory.common.commit import commit
from bnproof.theory.common.errors import UserError


@dataclass(frozen=True)
class Results:
    """Measurements of several seeds, and everything needed to repeat them.

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
    runs
        For each training run: the non-default part of its configuration, its data, and its first
        losses, in which rounding errors are still small.
    """

    series: Series
    where: str
    provenance: Mapping[str, Any]
    seconds: float
    runs: Sequence[Mapping[str, Any]] = ()


@one_thread()
def check(claim: Claim, settings: Settings, *, root: Path | None = None) -> Evidence:
    """Run the experiment of `claim` on one thread and judge it.

    Parameters
    ----------
    root
        Folder of all runs, which are saved and reused; None saves nothing.

    Returns
    -------
    Evidence
        `answer` tells whether every criterion is satisfied (None where a number is not finite):
        `holds` at the setting of the source, `seen` below it.
        `control_differs` whether the controls behaved as they must.  `series` holds every
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


def measure(claim: Claim, settings: Settings, *, root: Path, seeds: int | None = None) -> Results:
    """Measure every seed, or load those that have been measured already.

    Parameters
    ----------
    root
        Folder of all runs.
    seeds
        Number of seeds, starting at `settings.seed`; None for that of the scale.
    """
    experiment = experiment_of(claim)
    numbers, variant = seeds_of(claim, settings, seeds), variant_of(claim, settings)
    size = size_of(claim, settings)
    images = load(settings.data, limit=size.images)
    name = experiment.data or images.name
    results = [
        measure_seed(claim, trial_of(claim, settings, images, seed, root=root))
        for seed in tqdm(numbers, desc=claim.id, unit="seed", leave=False, disable=None)
    ]
    return Results(
        series=_stacked([row["measured"] for row in results]),
        where=", ".join(filter(None, (name, variant.words, size.words(len(numbers))))),
        provenance={
            "data set": name,
            **({} if experiment.data else {"training images": len(images.train)}),
            "batch": size.batch,
            "seeds": numbers,
            "scale": settings.scale.value,
            **({"variant": variant.words} if settings.variant else {}),
            "device": settings.device,
            "torch": torch.__version__,
            "commits": _commits(results),
            # Those of every network that is not trained.
            "precision": "float32",
            "mode": "exact",
            **_training(results),
            **experiment.networks_at(settings.scale),
            **{
                control.net: control.words
                for control in experiment.controls
                if control.net in (CONTROL, SECOND)
            },
        },
        seconds=sum(row["seconds"] for row in results),
        runs=[_begun(run) for row in results for run in row["trained"]],
    )


def size_of(claim: Claim, settings: Settings) -> Size:
    """Size of the experiment of `claim` at the chosen scale."""
    return experiment_of(claim).sizes[settings.scale]


def variant_of(claim: Claim, settings: Settings) -> Variant:
    """The chosen variant of the experiment of `claim`, one that changes nothing if none is.

    Raises
    ------
    UserError
        If the experiment has no variant of that name.
    """
    if not settings.variant:
        return NO_VARIANT
    known = experiment_of(claim).variants
    if settings.variant not in known:
        names = f"its variants are {', '.join(known)}" if known else "it has no variants"
        raise UserError(f"{claim.id}: has no variant {settings.variant!r}; {names}")
    return known[settings.variant]


def seeds_of(claim: Claim, settings: Settings, seeds: int | None = None) -> list[int]:
    """The seeds to measure: `seeds` of them, or as many as the scale asks for."""
    count = seeds or size_of(claim, settings).seeds
    return [settings.seed + number for number in range(count)]


def trial_of(
    claim: Claim,
    settings: Settings,
    images: Images,
    seed: int,
    *,
    root: Path,
    runner: Conduct = here,
    until: int | None = None,
) -> Trial:
    """One seed of the experiment of `claim`; `runner` and `until` are those of `Trial`."""
    return Trial(
        images=images,
        seed=seed,
        device=settings.device,
        size=size_of(claim, settings),
        scale=settings.scale,
        runs=root,
        precision=settings.precision,
        mode=settings.mode,
        variant=variant_of(claim, settings),
        runner=runner,
        until=until,
    )


def trial_config(claim: Claim, trial: Trial) -> dict[str, Any]:
    """Everything that the measurements of one seed depend on, including the experiment's code."""
    return {
        "experiment": claim.id,
        "code": code_of(experiment_of(claim).run.__module__),
        "scale": trial.scale.value,
        "size": asdict(trial.size),
        "seed": trial.seed,
        "data": trial.images.config,
        "precision": trial.precision,
        "mode": trial.mode,
        **({} if trial.variant == NO_VARIANT else {"variant": asdict(trial.variant)}),
        **surroundings(trial.device),
    }


def measure_seed(claim: Claim, trial: Trial) -> State:
    """Measurements of one seed, loaded if they exist, else made and saved.

    Raises
    ------
    bnproof.empirical.trial.MissingError
        If the trial only looks up its parts (`Trial.runner`) and some are not done.
    """
    assert trial.runs is not None
    run = RunFolder(trial.runs, trial_config(claim, trial))
    with run.held(wait=-1):
        kept = run.result()
        if kept is not None:
            return kept
        result = _measured(claim, trial)
        run.finish(result)
        return result


def _measured(claim: Claim, trial: Trial) -> State:
    begun = time.monotonic()
    with exactly():
        measured = experiment_of(claim).run(trial)
    if trial.missing:
        raise MissingError(trial.missing)
    result: State = plain(
        {
            "measured": measured,
            "trained": [_summary(run) for run in trial.trained],
            "seconds": sum(run.seconds for run in trial.trained) or time.monotonic() - begun,
            "commit": commit(),
        }
    )
    return result


def _summary(run: Trained) -> State:
    """Provenance of a training run; its curve stays in its folder."""
    return asdict(run.training_config) | {
        "data": run.data,
        "diverged": run.diverged,
        "first losses": run.losses,
        "seconds": run.seconds,
        "threads": run.threads,
        "commit": run.commit,
    }


def _begun(run: State) -> State:
    """What was trained, and its first losses."""
    training_config = {field.name: run[field.name] for field in fields(TrainingConfig)}
    usual = {field.name: plain(field.default) for field in fields(TrainingConfig)}
    return {
        "recipe": {name: value for name, value in training_config.items() if value != usual[name]},
        "data": run["data"],
        "first losses": run.get("first losses", []),
    }


def _training(results: Sequence[State]) -> dict[str, Any]:
    """Shared settings of the training runs, and their number."""
    runs = [one for row in results for one in row["trained"]]
    if not runs:
        return {}
    names = ("steps", "momentum", "decay", "schedule", "augment", "precision", "mode", "threads")
    same = {
        name: values.pop() if len(values := {run[name] for run in runs}) == 1 else "various"
        for name in names
    }
    diverged = sum(run["diverged"] is not None for run in runs)
    return {"training runs": len(runs), "diverged": diverged, **same}


def _commits(results: Sequence[State]) -> list[str]:
    """Return the commits of the code that trained and measured; saved parts may be older."""
    trained = {run["commit"] for row in results for run in row["trained"]}
    return sorted(trained | {row["commit"] for row in results})


def _stacked(trials: Sequence[Mapping[str, Mapping[str, Any]]]) -> Series:
    """Stack the trials along a new first axis."""
    return {
        net: {
            name: np.stack([np.asarray(trial[net][name], dtype=float) for trial in trials])
            for name in rows
        }
        for net, rows in trials[0].items()
    }
