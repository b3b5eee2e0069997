"""A trial of a sweep as a job, and what its result has to show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnproof.empirical.training.run_folder import State
from bnproof.scheduler.jobs import Seed, Training
from bnproof.sweep.plan import Fields, GridPoint, training_config
from bnproof.theory.claim import Scale, Settings


def job_of(trial: GridPoint, out: Path, device: str) -> Training | Seed:
    """The job that carries a trial out in a folder of runs."""
    fields = trial.fields
    data = fields.get("data")
    if trial.kind == "run":
        return Training(training_config(fields), data, fields.get("images"), out, device)
    settings = Settings(
        scale=Scale(fields["scale"]),
        seed=fields["seed"],
        data=None if data is None else Path(data),
        device=device,
    )
    return Seed(fields["id"], settings, out)


def shown(job: Training | Seed, result: State) -> Fields:
    """The numbers of a result that a table has room for.

    Of a training run where it diverged, if it did, and its last evaluation; of an experiment every
    single number of every network.
    """
    if isinstance(job, Training):
        last = {
            name: value
            for name, value in result["curve"][-1].items()
            if _single(value) and name not in ("step", "rate")  # the grid has columns of its own
        }
        return {"diverged": result["diverged"], **last, "seconds": result["seconds"]}
    found = {
        f"{net}: {name}": value
        for net, row in result["measured"].items()
        for name, value in row.items()
        if _single(value)
    }
    return {**found, "seconds": result["seconds"]}


def _single(value: Any) -> bool:
    return not isinstance(value, Mapping | list)
