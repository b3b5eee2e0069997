"""The jobs of `experiment run` and of sweeps: seeds of experiments, and training runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bnproof.catalogue import one
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.runner import measure_seed, seeds_of, size_of, trial_config, trial_of
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.empirical.training.run_folder import RunFolder, State
from bnproof.empirical.training.tasks import Data, LinearMap
from bnproof.empirical.trial import Conduct, MissingRunsError, look_up, train_here
from bnproof.scheduler.folder import InFolder
from bnproof.scheduler.job import Job, WaitError
from bnproof.theory.claim import Settings

# Seconds, on one core, of what is measured at initialisation, and of an update: only guesses.
AT_INITIALISATION = 10.0
UPDATE = 0.05


@dataclass(frozen=True)
class Training(InFolder):
    """A training run.

    Attributes
    ----------
    recipe
        What is carried out.
    data
        Name or folder of the images; None for `photos`.
    images
        At most so many are read; all if None.
    root, device
        Folder of all runs, and where PyTorch computes.
    """

    training_config: TrainingConfig
    data: str | None
    images: int | None
    root: Path
    device: str

    @property
    def name(self) -> str:
        """Network, rate and seed."""
        return described(self.training_config)

    @property
    def cost(self) -> float:
        """In proportion to the updates."""
        return UPDATE * self.training_config.steps

    def read(self) -> Data:
        """The images, or the linear map that is to be learnt."""
        if self.data == LinearMap.name:
            return LinearMap()
        return load(self.data, limit=self.images)

    @cached_property
    def run(self) -> RunFolder:
        """The folder that `bnproof.empirical.training.loop.train` fills."""
        return RunFolder(self.root, self.training_config.config(self.read(), self.device))

    def carry_out(self) -> None:
        """Train."""
        train(self.training_config, self.read(), root=self.root, device=self.device, wait=-1)


@dataclass(frozen=True)
class Seed(InFolder):
    """One seed of an experiment: what is measured.

    Attributes
    ----------
    id, settings
        The claim, and how it is measured; the seed is that of `settings`.
    root
        Folder of all runs.
    cost
        About how many seconds it takes.
    outside
        Folder of claims that are the user's own.
    """

    id: str
    settings: Settings
    root: Path
    cost: float = AT_INITIALISATION
    outside: Path | None = None

    @property
    def name(self) -> str:
        """Experiment and seed."""
        return f"{self.id}, seed {self.settings.seed}"

    @cached_property
    def run(self) -> RunFolder:
        """The folder that `bnproof.empirical.runner.measure` reads."""
        claim, trial = self._parts(look_up)
        return RunFolder(self.root, trial_config(claim, trial))

    def carry_out(self) -> None:
        """Measure; training runs are jobs of their own.

        Raises
        ------
        WaitError
            If some of them are to be done first.
        """
        try:
            measure_seed(*self._parts(look_up))
        except MissingRunsError as missing:
            raise WaitError(
                [
                    SeedRun(self, key, training_config)
                    for key, training_config in missing.runs.items()
                ]
            ) from None

    def train(self, key: str) -> None:
        """Carry out one of its training runs, by the name of its folder."""

        def runner(
            training_config: TrainingConfig, data: Data, root: Path, device: str
        ) -> State | None:
            if RunFolder(root, training_config.config(data, device)).folder.name != key:
                return look_up(training_config, data, root, device)
            train_here(training_config, data, root, device)
            raise _TrainedError

        claim, trial = self._parts(runner)
        try:
            experiment_of(claim).run(trial)
        except _TrainedError:
            return

    def _parts(self, runner: Conduct) -> Any:
        claim = one(self.id, self.outside)
        images = load(self.settings.data, limit=size_of(claim, self.settings).images)
        seed = self.settings.seed
        return claim, trial_of(claim, self.settings, images, seed, root=self.root, runner=runner)


class _TrainedError(Exception):
    """The run that was wanted is done; the rest of the experiment is not."""


@dataclass(frozen=True)
class SeedRun:
    """A training run that a seed of an experiment asked for; others that ask for it share it."""

    seed: Seed
    key: str
    training_config: TrainingConfig

    @property
    def name(self) -> str:
        """Network, rate and seed."""
        return described(self.training_config)

    @property
    def cost(self) -> float:
        """In proportion to the updates."""
        return UPDATE * self.training_config.steps

    @property
    def needs(self) -> Sequence[Job]:
        """Nothing: it was asked for when all that comes before it was done."""
        return ()

    def done(self) -> bool:
        """Whether its folder has a result."""
        return (self.seed.root / self.key / "result.json").exists()

    def carry_out(self) -> None:
        """Train."""
        self.seed.train(self.key)


def described(training_config: TrainingConfig) -> str:
    """Network, rate and seed of a training run."""
    network = " ".join(str(value) for value in training_config.network.values())
    return f"{network}, rate {training_config.rate:g}, seed {training_config.seed}"


def seeds(
    id: str,
    settings: Settings,
    root: Path,
    *,
    count: int | None = None,
    outside: Path | None = None,
    seconds: float | None = None,
) -> list[Seed]:
    """The seeds of an experiment.

    Parameters
    ----------
    count
        How many; as many as the scale asks for if None.
    seconds
        That all of them took before, if they did.
    """
    numbers = seeds_of(one(id, outside), settings, count)
    cost = AT_INITIALISATION if seconds is None else seconds / len(numbers)
    return [
        Seed(id, replace(settings, seed=number), root, cost=cost, outside=outside)
        for number in numbers
    ]
