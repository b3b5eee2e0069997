"""The jobs of `experiment run` and of sweeps: seeds of experiments, and training runs."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from bnproof.catalogue import load_claim
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.runner import measure_seed, seeds_of, size_of, trial_config, trial_of
from bnproof.empirical.training.arithmetic import exactly
from bnproof.empirical.training.checkpoints import saved_step
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.cost import seconds
from bnproof.empirical.training.loop import train
from bnproof.empirical.training.run_folder import RunFolder, State
from bnproof.empirical.training.tasks import Data, LinearMap
from bnproof.empirical.trial import Conduct, MissingError, Part, Trial, look_up
from bnproof.scheduler.folder import FolderJob
from bnproof.scheduler.job import Job, WaitError
from bnproof.theory.claim import Claim, Settings
from bnproof.theory.common.errors import UserError

AT_INITIALISATION: Final = 10.0  # estimated seconds per seed, used only to order jobs


@dataclass(frozen=True)
class Training(FolderJob):
    """A training run.

    Attributes
    ----------
    training_config
        Configuration of the run.
    data
        Name or folder of the images; None for `photos`.
    images
        Maximum number of images to read; all if None.
    root, device
        Folder of all runs and device for PyTorch.
    pack
        A job that carries out this run together with others.
    """

    training_config: TrainingConfig
    data: str | None
    images: int | None
    root: Path
    device: str
    pack: Job | None = None

    @property
    def name(self) -> str:
        """Network, rate and seed."""
        return self.training_config.words

    @property
    def cost(self) -> float:
        """Estimated time in seconds on one core."""
        return seconds(self.training_config)

    @property
    def needs(self) -> Sequence[Job]:
        """The pack, if it is in one."""
        return () if self.pack is None else (self.pack,)

    def read(self) -> Data:
        """Load the images, or the linear map to be learnt."""
        if self.data == LinearMap.name:
            return LinearMap()
        return load(self.data, limit=self.images)

    @cached_property
    def run(self) -> RunFolder:
        """The run folder of `bnproof.empirical.training.loop.train`."""
        return RunFolder(self.root, self.training_config.config(self.read(), self.device))

    @property
    def left(self) -> float:
        """Share of the updates that no checkpoint contains."""
        return 1 - saved_step(self.run.folder) / self.training_config.steps

    def carry_out(self) -> None:
        """Train.

        Raises
        ------
        UserError
            If the code or the machine differs from that of the process that planned the job.
        """
        self.reject_other_key()
        train(self.training_config, self.read(), root=self.root, device=self.device, wait=-1)

    def reject_other_key(self) -> None:
        """Reject the job where its results would be in another folder; see `carry_out`."""
        here = self.training_config.config(self.read(), self.device)
        _reject_other_key(RunFolder(self.root, here), self.key)


@dataclass(frozen=True)
class Seed(FolderJob):
    """Measurements of one seed of an experiment.

    Attributes
    ----------
    id, settings
        The claim and the settings of the experiment, including the seed.
    root
        Folder of all runs.
    cost
        Estimated time in seconds.
    user_claims
        Folder of user-defined claims.
    packs
        Jobs that carry out training runs of several seeds.
    """

    id: str
    settings: Settings
    root: Path
    cost: float = AT_INITIALISATION
    user_claims: Path | None = None
    packs: tuple[Job, ...] = ()

    @property
    def needs(self) -> Sequence[Job]:
        """The packs."""
        return self.packs

    @property
    def name(self) -> str:
        """Experiment and seed."""
        return f"{self.id}, seed {self.settings.seed}"

    @cached_property
    def run(self) -> RunFolder:
        """The run folder that `bnproof.empirical.runner.measure` reads."""
        claim, trial = self._parts(look_up)
        return RunFolder(self.root, trial_config(claim, trial))

    def carry_out(self) -> None:
        """Measure this seed.

        Raises
        ------
        WaitError
            If training runs or shared parts, which are separate jobs, are not finished.
        UserError
            If the code or the machine differs from that of the process that planned the job.
        """
        claim, trial = self._parts(look_up)
        _reject_other_key(RunFolder(self.root, trial_config(claim, trial)), self.key)
        try:
            measure_seed(claim, trial)
        except MissingError as missing:
            parts = missing.parts.items()
            raise WaitError(
                [SharedPart(self, key, part.name, part.seconds) for key, part in parts]
            ) from None

    def trainings(self) -> list[Training]:
        """The training runs that the experiment asks for first and that are not done."""
        if not experiment_of(load_claim(self.id, self.user_claims)).trains:
            return []  # without a training run to ask for, it would be measured here
        claim, trial = self._parts(look_up)
        with suppress(MissingError), exactly():
            experiment_of(claim).run(trial)
        data = None if self.settings.data is None else str(self.settings.data)
        images = size_of(claim, self.settings).images
        return [
            Training(part.training_config, data, images, self.root, self.settings.device)
            for part in trial.missing.values()
            if part.training_config is not None
        ]

    def carry_out_part(self, key: str) -> None:
        """Run one part of the experiment, given the name of its folder."""

        def runner(part: Part) -> State | None:
            if part.run.folder.name != key:
                return look_up(part)
            part.carry_out()
            raise _DoneError

        claim, trial = self._parts(runner)
        _reject_other_key(RunFolder(self.root, trial_config(claim, trial)), self.key)
        with suppress(_DoneError), exactly():
            experiment_of(claim).run(trial)

    def _parts(self, runner: Conduct) -> tuple[Claim, Trial]:
        claim = load_claim(self.id, self.user_claims)
        images = load(self.settings.data, limit=size_of(claim, self.settings).images)
        seed = self.settings.seed
        return claim, trial_of(claim, self.settings, images, seed, root=self.root, runner=runner)


def _reject_other_key(run: RunFolder, key: str) -> None:
    """Reject a job whose results would not be in the folder that the planning process expects.

    A job is sent with its key; the process that carries it out computes the key again, from its own
    code and machine.
    """
    if run.folder.name != key:
        machine = run.config["machine"]
        place = ", ".join(machine[name] for name in ("processor", "gpu") if name in machine)
        raise UserError(
            f"{place}: this run was planned on a different machine or with different code, and its "
            "numbers depend on both; use machines of the same kind with the same code"
        )


class _DoneError(Exception):
    """Raised to leave an experiment once the requested part is done."""


@dataclass(frozen=True)
class SharedPart:
    """A part of an experiment that several seeds or experiments can share.

    Attributes
    ----------
    seed
        A seed that needs it.
    key, name, cost
        See `bnproof.scheduler.job.Job`.
    """

    seed: Seed
    key: str
    name: str
    cost: float

    @property
    def needs(self) -> Sequence[Job]:
        """No jobs: earlier parts were finished when this one was requested."""
        return ()

    def done(self) -> bool:
        """Whether its folder contains a result."""
        return (self.seed.root / self.key / "result.json").exists()

    def carry_out(self) -> None:
        """Run the experiment up to this part."""
        self.seed.carry_out_part(self.key)


def foreseen(jobs: Sequence[Job]) -> list[Training]:
    """The training runs that seeds of experiments are known to need and that are not done.

    They are only counted: an experiment that fails here is left to fail as a job, beside which the
    others go on.
    """
    found: dict[str, Training] = {}
    for job in jobs:
        if isinstance(job, Seed) and not job.done():
            with suppress(Exception):
                found |= {training.key: training for training in job.trainings()}
    return list(found.values())


def seeds(
    id: str,
    settings: Settings,
    root: Path,
    *,
    count: int | None = None,
    user_claims: Path | None = None,
    seconds: float | None = None,
) -> list[Seed]:
    """Return the jobs for the seeds of an experiment.

    Parameters
    ----------
    count
        Number of seeds; by default that of the scale.
    seconds
        Total time they took before, if known.
    """
    numbers = seeds_of(load_claim(id, user_claims), settings, count)
    cost = AT_INITIALISATION if seconds is None else seconds / len(numbers)
    return [
        Seed(id, replace(settings, seed=number), root, cost=cost, user_claims=user_claims)
        for number in numbers
    ]
