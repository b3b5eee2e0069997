"""What an experiment gets for one seed: images, networks and training runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bnproof.empirical.data.images import stream
from bnproof.empirical.data.load import Images, batch
from bnproof.empirical.networks.resnet import resnet
from bnproof.empirical.networks.table import Initialisation, Norm, ResNet, Shortcut
from bnproof.empirical.training import cost
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.empirical.training.provenance import surroundings
from bnproof.empirical.training.run_folder import RunFolder, State
from bnproof.empirical.training.tasks import Data
from bnproof.theory.claim import Mode, Precision, Scale

DEPTH: Final = 110  # S3, section 1.2
SHORTCUT: Shortcut = "projection"  # ours; the paper does not say
LAYOUT: Final = torch.channels_last  # ResNet-110 on two cores: 1.4 to 1.7 times as fast
RESNET: Final[Mapping[str, str]] = {
    "architecture": f"ResNet-{DEPTH} at initialisation, batch statistics",
    "shortcut": SHORTCUT,
    "initialisation": "convolutions Xavier uniform, linear layer PyTorch's default",
}
APART: Final = 1_000  # seeds of an experiment and of its control
SHARED: Final = 10.0  # seconds per shared part: a guess, used to order the work
POOL: Final = 5_000  # images to draw batches from: 10 batches of 128 hardly overlap


class MissingError(Exception):
    """Parts of an experiment, such as training runs, that it needs and that are not done yet.

    Attributes
    ----------
    parts
        Those requested so far, by the name of their run folder.
    """

    def __init__(self, parts: "Mapping[str, Part]") -> None:
        super().__init__(f"{len(parts)} parts are not done")
        self.parts = dict(parts)


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a scale means for one experiment.

    Attributes
    ----------
    batch
        Images in a batch.
    seeds
        Number of seeds.
    steps
        Step sizes per decade on a path along the gradient.
    updates
        Updates of a training run; 0 if nothing is trained.
    images
        Maximum number of images read from the training set and from the test set; None for all.
    """

    batch: int = 128
    seeds: int
    steps: int = 1
    updates: int = 0
    images: int | None = POOL

    def words(self, seeds: int) -> str:
        """The size in words, with that many seeds."""
        trained = f", {self.updates:,} updates a run" if self.updates else ""
        return f"{seeds} seeds, batches of {self.batch}{trained}"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A change of an experiment's protocol whose effect is measured beside it.

    It decides nothing: verdicts are those of the protocol without it.

    Attributes
    ----------
    words
        What is different, for texts.
    network, training
        Fields of the networks and of `TrainingConfig` that every training run gets instead.
    """

    words: str
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


NO_VARIANT: Final = Variant(words="")
# Provenance of networks; what differs between scales is given for each.
Networks = Mapping[str, str | Mapping[Scale, str]]
SIZES: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=3, steps=1),
    Scale.QUICK: Size(batch=128, seeds=5, steps=2),
    Scale.LONG: Size(batch=128, seeds=10, steps=8),
    Scale.PAPER: Size(batch=128, seeds=10, steps=8),
}


@dataclass(frozen=True)
class Trained:
    """What a training run recorded.

    Attributes
    ----------
    training_config, data
        The configuration of the run, and the name of its data.
    diverged
        The update whose mini-batch loss exceeded the limit, or None.
    curve
        The evaluations, the first before any update (`Trainer.evaluate`).
    seconds
        Duration of the run.
    losses
        Losses before each of the first updates; empty for runs saved by an older version.
    threads, commit
        Number of threads, and commit of the code that trained.
    """

    training_config: TrainingConfig
    data: str
    diverged: int | None
    curve: Sequence[State]
    seconds: float
    losses: Sequence[float] = ()
    threads: int = 1
    commit: str = "unknown"

    def until(self, updates: int) -> "Trained":
        """The beginning of the run, as a run of that many updates at a constant rate records it.

        Raises
        ------
        ValueError
            Unless the network was evaluated after as many updates, and the rate did not depend on
            their number.
        """
        given = self.training_config
        if updates > given.steps or updates % given.every or given.schedule == "step":
            raise ValueError(
                f"{updates} updates: must be a multiple of {given.every} up to {given.steps}, in a "
                f"schedule other than 'step'"
            )
        diverged = self.diverged
        return replace(
            self,
            training_config=replace(given, steps=updates),
            diverged=None if diverged is None or diverged > updates else diverged,
            curve=[row for row in self.curve if row["step"] <= updates],
        )

    def column(self, *path: str) -> NDArray[np.float64]:
        """One quantity at every evaluation; NaN where it was not measured.

        ``column("test accuracy")``, or ``column("landscape", "beta")`` for what a metric recorded.
        """
        return np.array([_entry(row, path) for row in self.curve], dtype=float)

    def last(self, *path: str) -> float:
        """One quantity at the last evaluation."""
        return float(_entry(self.curve[-1], path))


class _Missing(Trained):
    """A training run that is not done: reading it raises `MissingError`."""

    def __init__(
        self, training_config: TrainingConfig, data: str, missing: "Mapping[str, Part]"
    ) -> None:
        vars(self).update(training_config=training_config, data=data, _missing=missing)

    def __getattr__(self, name: str) -> Any:
        raise MissingError(vars(self)["_missing"])


class _MissingState(State):
    """A result that does not exist yet: reading it raises `MissingError`."""

    def __init__(self, missing: "Mapping[str, Part]") -> None:
        super().__init__()
        self._missing = missing

    def __missing__(self, key: str) -> Any:
        raise MissingError(self._missing)


def _entry(row: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return math.nan if row is None else row


@dataclass(frozen=True)
class Part:
    """A part of an experiment, with its own run folder, that several experiments may share.

    Attributes
    ----------
    run
        The folder.
    name
        Name for display.
    seconds
        Estimated duration.
    carry_out
        Does what is left of it, or waits while another process does, and returns the result.
    training_config
        That of a training run on the images of the trial.
    """

    run: RunFolder
    name: str
    seconds: float
    carry_out: Callable[[], State | None] = field(repr=False)
    training_config: TrainingConfig | None = None


# Returns the result of a part, or None if it is not done and must not be run here.
Conduct = Callable[[Part], State | None]


def here(part: Part) -> State | None:
    """Run the part, or load its result if it is done."""
    return part.carry_out()


def look_up(part: Part) -> State | None:
    """The result, or None if it is not done."""
    return part.run.result()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One seed of an experiment.

    Attributes
    ----------
    images, seed, device
        The images, the seed and the device.
    size, scale        The amount of work.
    runs
        Folder of training runs; an experiment that trains needs one.
    precision, mode
        Precision and mode of training; see `TrainingConfig`.
    variant
        What every training run has instead of the protocol's.
    until
        Only so many updates of every training run count (`Trained.until`); None for all.
    runner
        Returns the results of training runs and shared parts: `here` or `look_up`.
    trained
        The training runs of this trial, in order.
    missing
        Parts that were requested and are not done, by the name of their run folder.
    """

    images: Images
    seed: int
    device: str = "cpu"
    size: Size = SIZES[Scale.SMOKE]
    scale: Scale = Scale.SMOKE
    depth: int = DEPTH
    runs: Path | None = None
    precision: Precision = "float32"
    mode: Mode = "exact"
    variant: Variant = NO_VARIANT
    until: int | None = None
    runner: Conduct = field(default_factory=lambda: here)
    trained: list[Trained] = field(default_factory=list)
    missing: dict[str, Part] = field(default_factory=dict)

    @property
    def other_seed(self) -> int:
        """Seed for a control that differs in nothing else; no seed of the experiment equals it."""
        return self.seed + APART

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor]:
        """Standardised images (b, 3, 32, 32) and labels (b,) on the device."""
        inputs, labels = batch(self.images, self.size.batch, self.seed)
        return (inputs.to(device=self.device, memory_format=LAYOUT), labels.to(self.device))

    @property
    def inputs(self) -> Tensor:
        """The images of `batch`."""
        return self.batch[0]

    @property
    def labels(self) -> Tensor:
        """The labels of `batch`."""
        return self.batch[1]

    @property
    def steps(self) -> int:
        """Step sizes per decade on a path along the gradient."""
        return self.size.steps

    def network(self, norm: Norm, init: Initialisation = "xavier", gain: float = 1.0) -> ResNet:
        """Build a network; its kernels depend on the seed and `init`, not on `norm`.

        `gain` multiplies the weights of all layers except the first and the last, so that each
        block without BN multiplies the scale of its input.
        """
        generator = self.stream("network")
        net = resnet(self.depth, generator=generator, norm=norm, shortcut=SHORTCUT, init=init)
        with torch.no_grad():
            for number in range(2, net.depth):
                net.layer(number).get_parameter("weight").mul_(gain)
        net.to(device=self.device)
        net.to(memory_format=LAYOUT)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        return net

    def stream(self, purpose: str) -> torch.Generator:
        """Return a generator that depends on the seed and on `purpose`."""
        return stream(self.seed, purpose)

    def made(
        self, network: Mapping[str, Any], rate: float, **training_config: Any
    ) -> TrainingConfig:
        """The configuration of a training run; arguments as for `train`."""
        usual = {
            "steps": self.size.updates,
            "batch": self.size.batch,
            "seed": self.seed,
            "precision": self.precision,
            "mode": self.mode,
        }
        changed = {**usual, **training_config, **self.variant.training}
        return TrainingConfig(network={**network, **self.variant.network}, rate=rate, **changed)

    def train(
        self,
        network: Mapping[str, Any],
        *,
        rate: float,
        data: Data | None = None,
        **training_config: Any,
    ) -> Trained:
        """Carry out a training run, or load it if it is done.

        Parameters
        ----------
        network
            As `bnproof.empirical.networks.table.build`.
        rate
            Learning rate.
        data
            Data other than the trial's images.
        training_config
            Other fields of `TrainingConfig`.  Updates, batch, seed, precision and mode are those
            of the trial unless given.

        Returns
        -------
        Trained
            If parts are only looked up (`runner`) and the run is not done, reading it raises
            `MissingError` with all parts requested so far.  Request several before reading the
            first: they can then be run in parallel.
        """
        made = self.made(network, rate, **training_config)
        chosen = self.images if data is None else data
        root = self.runs
        if root is None:
            raise ValueError("this trial has no folder for training runs")
        part = Part(
            RunFolder(root, made.config(chosen, self.device)),
            made.words,
            cost.seconds(made),
            lambda: train(made, chosen, root=root, device=self.device, wait=-1),
            made if data is None else None,
        )
        result = self.runner(part)
        if result is None:
            self.missing[part.run.folder.name] = part
            return _Missing(made, chosen.name, self.missing)
        trained = Trained(
            made,
            chosen.name,
            result["diverged"],
            result["curve"],
            result["seconds"],
            result.get("first losses", ()),
            result["threads"],
            result["commit"],
        )
        if (made, chosen.name) not in [
            (other.training_config, other.data) for other in self.trained
        ]:
            self.trained.append(trained)
        return trained if self.until is None else trained.until(self.until)

    def shared(self, name: str, config: Mapping[str, Any], compute: Callable[[], State]) -> State:
        """Measure something that several experiments need, or load it if it is done.

        Parameters
        ----------
        name
            Name for display.
        config
            Everything it depends on besides the trial, including the hash of its code.
        compute
            Returns values that JSON can represent.

        Returns
        -------
        dict
            If parts are only looked up and it is not done, reading it raises `MissingError`.
        """
        if self.runs is None:
            return compute()
        whole = {
            **config,
            "shared": name,
            "batch": self.size.batch,
            "depth": self.depth,
            "seed": self.seed,
            "data": self.images.config,
            **surroundings(self.device),
        }
        run = RunFolder(self.runs, whole)

        def carry_out() -> State:
            with run.held(wait=-1):
                kept = run.result()
                if kept is None:
                    run.finish(kept := compute())
                return kept

        part = Part(run, f"{name}, seed {self.seed}", SHARED, carry_out)
        result = self.runner(part)
        if result is None:
            self.missing[run.folder.name] = part
            return _MissingState(self.missing)
        return result
