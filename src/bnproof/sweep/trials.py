"""A trial of a sweep: the run folder that it fills, how it is carried out, and what it showed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from bnproof.catalogue import one
from bnproof.empirical.data.load import load
from bnproof.empirical.runner import measure, size_of, trial_config, trial_of
from bnproof.empirical.training.loop import train
from bnproof.empirical.training.run_folder import RunFolder, State
from bnproof.empirical.training.tasks import Data, LinearMap
from bnproof.sweep.plan import Fields, training_config
from bnproof.theory.claim import Scale, Settings


class Task(Protocol):
    """What a worker carries out, and a driver looks up."""

    @property
    def run(self) -> RunFolder:
        """Its run folder; there is a result in it when it is done."""

    def carry_out(self) -> None:
        """Do it, or what is left of it; waits while another process does."""

    def shown(self, result: State) -> Fields:
        """The numbers of a result that a table has room for."""


@dataclass(frozen=True)
class Training:
    """A training run."""

    fields: Fields
    out: Path
    device: str

    @property
    def data(self) -> Data:
        """Images, or a linear map to be learnt."""
        name = self.fields.get("data")
        if name == LinearMap.name:
            return LinearMap()
        return load(name, limit=self.fields.get("images"))

    @property
    def run(self) -> RunFolder:
        """The run folder of `bnproof.empirical.training.loop.train`."""
        return RunFolder(self.out, training_config(self.fields).config(self.data, self.device))

    def carry_out(self) -> None:
        """Train."""
        train(training_config(self.fields), self.data, root=self.out, device=self.device, wait=-1)

    def shown(self, result: State) -> Fields:
        """Where it diverged, if it did, and its last evaluation."""
        last = {
            name: value
            for name, value in result["curve"][-1].items()
            if _single(value) and name not in ("step", "rate")  # the grid has columns of its own
        }
        return {"diverged": result["diverged"], **last, "seconds": result["seconds"]}


@dataclass(frozen=True)
class Measurement:
    """One seed of an experiment."""

    fields: Fields
    out: Path
    device: str

    @property
    def settings(self) -> Settings:
        """As `bnproof.empirical.runner.measure` takes them."""
        data = self.fields.get("data")
        return Settings(
            scale=Scale(self.fields["scale"]),
            seed=self.fields["seed"],
            data=None if data is None else Path(data),
            device=self.device,
        )

    @property
    def run(self) -> RunFolder:
        """The run folder of `bnproof.empirical.runner.measure`."""
        claim, settings = one(self.fields["id"]), self.settings
        images = load(settings.data, limit=size_of(claim, settings).images)
        trial = trial_of(claim, settings, images, settings.seed, root=self.out)
        return RunFolder(self.out, trial_config(claim, trial))

    def carry_out(self) -> None:
        """Measure."""
        measure(one(self.fields["id"]), self.settings, root=self.out, seeds=1)

    def shown(self, result: State) -> Fields:
        """Every single number of every network."""
        found = {
            f"{net}: {name}": value
            for net, row in result["measured"].items()
            for name, value in row.items()
            if _single(value)
        }
        return {**found, "seconds": result["seconds"]}


def _single(value: Any) -> bool:
    return not isinstance(value, Mapping | list)


KINDS: Final[Mapping[str, Callable[[Fields, Path, str], Task]]] = {
    "run": Training,
    "experiment": Measurement,
}


def task(kind: str, fields: Fields, out: str, device: str) -> Task:
    """The task of one trial, from what a worker is told."""
    return KINDS[kind](fields, Path(out), device)
