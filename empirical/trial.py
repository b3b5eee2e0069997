"""What an experiment is given for one seed: images, networks, and training runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from bnproof.empirical.training.config import TrainingConfig, fast_precision
from bnproof.empirical.training.loop import train
from bnproof.empirical.training.run_folder import State
from bnproof.empirical.training.tasks import Data
from bnproof.theory.claim import Scale

DEPTH: Final = 110  # S3, section 1.2
SHORTCUT: Shortcut = "projection"  # ours; the paper does not say
LAYOUT: Final = torch.channels_last  # ResNet-110 on two cores: 1.4 to 1.7 times as fast
RESNET: Final[Mapping[str, str]] = {
    "architecture": f"ResNet-{DEPTH} at initialisation, batch statistics",
    "shortcut": SHORTCUT,
    "initialisation": "convolutions Xavier uniform, linear layer PyTorch's default",
}
APART: Final = 1_000  # seeds of an experiment and of its control
POOL: Final = 5_000  # images that batches are drawn from: 10 batches of 128 hardly overlap


class UnfinishedError(Exception):
    """The time that was given is over; what was done is kept, and a later call goes on."""


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
        Step sizes in a decade of a path along the gradient.
    updates
        Of a training run; 0 where nothing is trained.
    images
        At most so many images are read of the training and of the test set; all if None.
    """

    batch: int = 128
    seeds: int
    steps: int = 1
    updates: int = 0
    images: int | None = POOL

    def words(self, seeds: int) -> str:
        """The size, with that many seeds, as a summary says it."""
        trained = f", {self.updates:,} updates a run" if self.updates else ""
        return f"{seeds} seeds, batches of {self.batch}{trained}"


SIZES: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=3, steps=1),
    Scale.QUICK: Size(batch=128, seeds=5, steps=2),
    Scale.PAPER: Size(batch=128, seeds=10, steps=8),
}


@dataclass(frozen=True)
class Trained:
    """What a training run recorded.

    Attributes
    ----------
    recipe, data
        What was carried out, on data of that name.
    diverged
        The update whose mini-batch loss passed the limit, or None.
    curve
        The evaluations, the first before any update (`Trainer.evaluate`).
    seconds
        Spent on the run.
    """

    training_config: TrainingConfig
    data: str
    diverged: int | None
    curve: Sequence[State]
    seconds: float

    def column(self, *path: str) -> NDArray[np.float64]:
        """One quantity at every evaluation; NaN where it was not measured.

        ``column("test accuracy")``, or ``column("landscape", "beta")`` for what a probe found.
        """
        return np.array([_entry(row, path) for row in self.curve], dtype=float)

    def last(self, *path: str) -> float:
        """One quantity at the last evaluation."""
        return float(_entry(self.curve[-1], path))


def _entry(row: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return math.nan if row is None else row


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One seed of an experiment.

    Attributes
    ----------
    images, seed, device
        What is measured, from which seed, and where.
    size, scale
        How much.
    runs
        Folder of training runs; an experiment that trains needs one.
    deadline
        Reading of `time.monotonic` at which training stops, resumable.
    trained
        The training runs of this trial, in order.
    """

    images: Images
    seed: int
    device: str = "cpu"
    size: Size = SIZES[Scale.SMOKE]
    scale: Scale = Scale.SMOKE
    depth: int = DEPTH
    runs: Path | None = None
    deadline: float = math.inf
    trained: list[Trained] = field(default_factory=list)

    @property
    def other_seed(self) -> int:
        """The seed of a control that differs in nothing else: none that the experiment has."""
        return self.seed + APART

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor]:
        """Standardised images (b, 3, 32, 32) and labels (b,) on the device."""
        inputs, labels = batch(self.images, self.size.batch, self.seed)
        return (
            inputs.to(device=self.device, memory_format=LAYOUT),
            labels.to(self.device),
        )

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
        """Step sizes in a decade of a path along the gradient."""
        return self.size.steps

    def network(self, norm: Norm, init: Initialisation = "xavier") -> ResNet:
        """Build a network; for one seed and `init` the kernels are the same for every `norm`."""
        generator = self.stream("network")
        net = resnet(self.depth, generator=generator, norm=norm, shortcut=SHORTCUT, init=init)
        net.to(device=self.device)
        net.to(memory_format=LAYOUT)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        return net

    def stream(self, purpose: str) -> torch.Generator:
        """Return a generator that depends on the seed and on `purpose`."""
        return stream(self.seed, purpose)

    def train(
        self,
        network: Mapping[str, Any],
        *,
        rate: float,
        data: Data | None = None,
        **training_config: Any,
    ) -> Trained:
        """Carry out a training run, or read it if it is done.

        `data` are the trial's images unless others are given, `recipe` are other fields of
        `TrainingConfig`.  Updates, batch and seed are those of the trial, and the precision is the
        device's fast one, or float32 at the smallest scale, whose numbers are to be the same
        everywhere; unless `recipe` says otherwise.

        Raises
        ------
        UnfinishedError
            When `deadline` has passed.
        """
        if self.runs is None:
            raise ValueError("this trial has no folder for training runs")
        small = self.scale is Scale.SMOKE
        usual = {
            "steps": self.size.updates,
            "batch": self.size.batch,
            "seed": self.seed,
            "precision": "float32" if small else fast_precision(self.device),
        }
        made = TrainingConfig(network=network, rate=rate, **(usual | training_config))
        chosen = self.images if data is None else data
        result = train(
            made,
            chosen,
            root=self.runs,
            device=self.device,
            deadline=self.deadline,
            wait=-1,
        )
        if result is None:
            raise UnfinishedError
        found = Trained(made, chosen.name, result["diverged"], result["curve"], result["seconds"])
        if (made, chosen.name) not in [(one.training_config, one.data) for one in self.trained]:
            self.trained.append(found)
        return found
