"""Which training runs an experiment asks for, and how long they take, without running any.

The experiment is run with imagined results, which let it choose as it would: a network learns at
rates up to `LEARNS`.  Where a choice depends on what is measured, as in a search, the number of
runs is an estimate.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Never, cast

from torch import Tensor

from bnproof.empirical.data.load import Images
from bnproof.empirical.experiment import Experiment
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.cost import seconds
from bnproof.empirical.training.tasks import Data
from bnproof.empirical.trial import NO_VARIANT, Trained, Trial, Variant
from bnproof.theory.claim import Scale
from bnproof.theory.common.modes import Precision

LEARNS: Final = 0.1  # the largest rate at which an imagined network learns
ACCURACY: Final = {True: 0.5, False: 0.1}
LOSS: Final = {True: 0.5, False: 2.5}


class _EndError(Exception):
    """Raised where an experiment needs more than the results of its training runs."""


class _Pictures:
    """Stand-ins for the images of a trial: only their name is known."""

    def __init__(self, name: str) -> None:
        self.name = name

    def shuffled(self, seed: int) -> "_Pictures":
        return _Pictures(f"{self.name}, labels shuffled by {seed}")

    def __getattr__(self, name: str) -> Never:
        raise _EndError(name)


@dataclass(frozen=True, kw_only=True)
class _Plan(Trial):
    """A trial that notes the runs that it is asked for in `trained`."""

    @property
    def batch(self) -> tuple[Tensor, Tensor]:  # cached in a trial
        raise _EndError("batch")

    def train(
        self, network: Mapping[str, Any], *, rate: float, data: Data | None = None, **given: Any
    ) -> Trained:
        made = self.made(network, rate, **given)
        learnt = rate <= LEARNS
        seen = {"train accuracy": ACCURACY[learnt], "test accuracy": ACCURACY[learnt]}
        row = {"loss": LOSS[learnt], **seen, **dict.fromkeys(made.metrics, seen)}
        curve = [row | {"step": step} for step in (*range(0, made.steps, made.every), made.steps)]
        run = Trained(made, (data or self.images).name, None, curve, 0.0)
        if all((made, run.data) != (one.training_config, one.data) for one in self.trained):
            self.trained.append(run)
        return run


def training_runs(
    experiment: Experiment,
    scale: Scale,
    *,
    precision: Precision = "float32",
    variant: Variant = NO_VARIANT,
) -> list[TrainingConfig]:
    """The training runs of one seed."""
    trial = _Plan(
        images=cast(Images, _Pictures("images")),
        seed=0,
        size=experiment.sizes[scale],
        scale=scale,
        precision=precision,
        variant=variant,
    )
    # The imagined results lack what most metrics record.
    with suppress(_EndError, ValueError, KeyError):
        experiment.run(trial)
    return [run.training_config for run in trial.trained]


def core_minutes(
    experiment: Experiment,
    scale: Scale,
    *,
    precision: Precision = "float32",
    variant: Variant = NO_VARIANT,
) -> float:
    """Estimated time of all seeds on one core, on the processor of the table of costs."""
    runs = training_runs(experiment, scale, precision=precision, variant=variant)
    return experiment.sizes[scale].seeds * sum(map(seconds, runs)) / 60
