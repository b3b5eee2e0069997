"""The jobs of `experiment run` and of sweeps: seeds of experiments, and training runs."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from bnproof.catalogue import one
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.runner import measure_seed, seeds_of, size_of, trial_config, trial_of
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import exactly, train
from bnproof.empirical.training.run_folder import RunFolder, State
from bnproof.empirical.training.tasks import Data, LinearMap
from bnproof.empirical.trial import UPDATE, Conduct, MissingError, Part, look_up
from bnproof.scheduler.folder import InFolder
from bnproof.scheduler.job import Job, WaitError
from bnproof.theory.claim import Settings
from bnproof.theory.common.errors import UserError

AT_INITIALISATION: Final = 10.0  # seconds of a seed: a guess, for the order of work


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
        return self.training_config.words

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
        """Train.

        Raises
        ------
        UserError
            If the code or the machine is not that of the process that planned it.
        """
        here = self.training_config.config(self.read(), self.device)
        _refuse_another(RunFolder(self.root, here), self.key)
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
        """Measure; training runs and shared parts are jobs of their own.

        Raises
        ------
        WaitError
            If some of them are to be done first.
        UserError
            If the code or the machine is not that of the process that planned it.
        """
        claim, trial = self._parts(look_up)
        _refuse_another(RunFolder(self.root, trial_config(claim, trial)), self.key)
        try:
            measure_seed(claim, trial)
        except MissingError as missing:
            parts = missing.parts.items()
            raise WaitError(
                [SharedPart(self, key, part.name, part.seconds) for key, part in parts]
            ) from None

    def carry_out_part(self, key: str) -> None:
        """Carry out one of its parts, by the name of its folder."""

        def runner(part: Part) -> State | None:
            if part.run.folder.name != key:
                return look_up(part)
            part.carry_out()
            raise _DoneError

        claim, trial = self._parts(runner)
        _refuse_another(RunFolder(self.root, trial_config(claim, trial)), self.key)
        with suppress(_DoneError), exactly():
            experiment_of(claim).run(trial)

    def _parts(self, runner: Conduct) -> Any:
        claim = one(self.id, self.outside)
        images = load(self.settings.data, limit=size_of(claim, self.settings).images)
        seed = self.settings.seed
        return claim, trial_of(claim, self.settings, images, seed, root=self.root, runner=runner)


def _refuse_another(run: RunFolder, key: str) -> None:
    """Refuse a job that would fill another folder than the one that waits for it.

    A job travels with its key: another process computes its own from the code and the machine
    there.
    """
    if run.folder.name != key:
        machine = run.config["machine"]
        place = ", ".join(machine[name] for name in ("processor", "gpu") if name in machine)
        raise UserError(
            f"{place}: another machine, or another version of the code, planned this run, and its "
            "numbers depend on both; use machines of one kind and the same code on all of them"
        )


class _DoneError(Exception):
    """The part that was wanted is done; the rest of the experiment is not."""


@dataclass(frozen=True)
class SharedPart:
    """A part of an experiment that a seed of it asked for; others that ask for it share it.

    Attributes
    ----------
    seed
        The one that asked.
    key, name, cost
        As for `bnproof.scheduler.job.Job`.
    """

    seed: Seed
    key: str
    name: str
    cost: float

    @property
    def needs(self) -> Sequence[Job]:
        """Nothing: it was asked for when all that comes before it was done."""
        return ()

    def done(self) -> bool:
        """Whether its folder has a result."""
        return (self.seed.root / self.key / "result.json").exists()

    def carry_out(self) -> None:
        """Do it, in the course of the experiment."""
        self.seed.carry_out_part(self.key)


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
