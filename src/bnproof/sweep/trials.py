"""Jobs for the trials of a sweep, and the results to show in its table."""

from collections.abc import Mapping
from pathlib import Path

from bnproof.empirical.data.load import locate
from bnproof.empirical.training.run_folder import State
from bnproof.empirical.training.tasks import LinearMap
from bnproof.scheduler.jobs import Seed, Training
from bnproof.sweep.plan import Fields, GridPoint, training_config
from bnproof.theory.claim import Scale, Settings


def job_of(trial: GridPoint, out: Path, device: str) -> Training | Seed:
    """Return the job of a trial, which runs in the folder `out`."""
    fields = trial.fields
    data = fields.get("data")
    if data is not None and data != LinearMap.name:
        data = locate(data)  # valid in every process
    if trial.kind == "run":
        return Training(training_config(fields), data, fields.get("images"), out, device)
    settings = Settings(
        scale=Scale(fields["scale"]),
        seed=fields["seed"],
        data=None if data is None else Path(data),
        device=device,
        precision=fields["precision"],
        mode=fields["mode"],
    )
    return Seed(fields["id"], settings, out)


def shown(job: Training | Seed, result: State) -> Fields:
    """Return the scalar results of a job.

    For a training run: the step at which it diverged, if any, and the last evaluation.  For an
    experiment: all scalar measurements of each network.
    """
    if isinstance(job, Training):
        last = {
            name: value
            for name, value in result["curve"][-1].items()
            if _is_scalar(value) and name not in ("step", "rate")  # the grid has its own columns
        }
        return {"diverged": result["diverged"], **last, "seconds": result["seconds"]}
    measured = {
        f"{net}: {name}": value
        for net, row in result["measured"].items()
        for name, value in row.items()
        if _is_scalar(value)
    }
    return {**measured, "seconds": result["seconds"]}


def _is_scalar(value: object) -> bool:
    return not isinstance(value, Mapping | list)
