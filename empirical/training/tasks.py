"""The tasks that networks are trained on: classifying images, or learning a linear map."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from bnproof.empirical.data.images import Images, Split, stream
from bnproof.empirical.data.pixels import Crops, Pixels, uploaded
from bnproof.empirical.training.config import TrainingConfig
from bnproof.theory.common.errors import UserError

TEST_BATCH: Final = 1_000
Forward = Callable[[Tensor], Tensor]


class Task(Protocol):
    """Batches, loss and evaluation of one run."""

    epoch_steps: int

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of one step on the device; they depend on the configuration only."""

    def tables(self, step: int) -> Sequence[Tensor]:
        """What the batches of the step's epoch are taken from by `take`, on the device."""

    def take(self, tables: Sequence[Tensor], place: Tensor) -> tuple[Tensor, Tensor]:
        """As `batch`, for a place (1,) in the epoch that is on the device and is not read."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch, a scalar."""

    def evaluate(self, forward: Forward) -> Mapping[str, float]:
        """What is recorded about a network in evaluation mode."""


@dataclass(frozen=True)
class _Epoch:
    """The training images of each step of an epoch, and their crops, on the device."""

    number: int
    rows: Tensor
    crops: Crops | None


class Classification:
    """Classification of images: shuffled batches, cross-entropy, accuracies.

    Raises
    ------
    UserError
        If the batch is larger than the training set.
    """

    def __init__(self, training_config: TrainingConfig, images: Images, device: str) -> None:
        count = len(images.train)
        if training_config.batch > count:
            raise UserError(
                f"{images.name}: batch {training_config.batch}: choose from 1 to the "
                f"{count} training images there are"
            )
        self.training_config, self.images, self.device = training_config, images, device
        self.pixels = Pixels(images, device)
        self.epoch_steps = count // training_config.batch
        self._epoch: _Epoch | None = None
        tested = min(training_config.tested, len(images.test))
        # Kept on the device as bytes, so that evaluations copy nothing to it.
        self._tested = {
            name: Split(split.pixels[:tested].to(device), split.labels[:tested].to(device))
            for name, split in (("train", images.train), ("test", images.test))
        }

    def share(self, other: "Classification") -> None:
        """Use the same images on the device as another task, instead of a copy of them."""
        self.pixels, self._tested = other.pixels, other._tested

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Standardised images (b, 3, 32, 32) and labels (b,) of one step."""
        epoch, place = self._epoch_of(step), step % self.epoch_steps
        crops = epoch.crops
        return self.pixels.train(epoch.rows[place], crops if crops is None else crops[place])

    def tables(self, step: int) -> Sequence[Tensor]:
        """The images of each step of the epoch and, if they are augmented, their crops."""
        epoch = self._epoch_of(step)
        crops = epoch.crops
        return (epoch.rows, *(() if crops is None else (crops.corners, crops.mirrored)))

    def take(self, tables: Sequence[Tensor], place: Tensor) -> tuple[Tensor, Tensor]:
        """As `batch`, for a place that is on the device."""
        # Indexing by a tensor without axes would read it.
        rows, *crops = (table.index_select(0, place).squeeze(0) for table in tables)
        return self.pixels.train(rows, Crops(*crops) if crops else None)

    def _epoch_of(self, step: int) -> "_Epoch":
        number = step // self.epoch_steps
        if self._epoch is None or self._epoch.number != number:
            self._epoch = self._drawn(number)
        return self._epoch

    def _drawn(self, number: int) -> "_Epoch":
        """Draw the order and crops of a whole epoch and copy them to the device."""
        config, size = self.training_config, self.training_config.batch
        steps = self.epoch_steps
        draws = stream(config.seed, f"order {number}")
        rows = torch.randperm(len(self.images.train), generator=draws)[: steps * size]
        crops = None
        if config.augment:
            every = range(number * steps, (number + 1) * steps)
            streams = [stream(config.seed, f"augment {step}") for step in every]
            crops = Crops.drawn(size, streams).to(self.device)
        return _Epoch(number, uploaded(rows.view(steps, size), self.device), crops)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy."""
        return functional.cross_entropy(outputs, targets)

    @torch.no_grad()
    def evaluate(self, forward: Forward) -> dict[str, float]:
        """Accuracy on the first `TrainingConfig.tested` training and test images.

        The number of training images does not exceed the number of test images.
        """
        right = [self._right(forward, split) for split in self._tested.values()]
        counted = zip(self._tested.items(), torch.stack(right).tolist(), strict=True)
        return {f"{name} accuracy": count / len(split) for (name, split), count in counted}

    def _right(self, forward: Forward, split: Split) -> Tensor:
        """Return the number of correctly classified images, on the device."""
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        for start in range(0, len(split), TEST_BATCH):
            rows = slice(start, start + TEST_BATCH)
            predicted = forward(self.pixels.plain(split.pixels[rows])).argmax(1)
            right = right + (predicted == split.labels[rows]).sum()
        return right


@dataclass(frozen=True)
class LinearMap:
    """The data of a deep linear network: x standard normal, targets Ax, A a Gaussian matrix.

    `samples` inputs of `width` entries; they and A are drawn from the seed of the configuration.
    """

    samples: int = 1_000
    width: int = 10
    name: str = "Gaussian inputs and a Gaussian linear map"

    @property
    def config(self) -> dict[str, Any]:
        """What a run's numbers depend on."""
        return {"name": self.name, "samples": self.samples, "width": self.width}


class Regression:
    """Full-batch regression: ||f(x) - Ax||^2, summed over entries, mean over samples."""

    epoch_steps = 1

    def __init__(self, training_config: TrainingConfig, data: LinearMap, device: str) -> None:
        draws = stream(training_config.seed, "linear map")
        inputs = torch.randn(data.samples, data.width, generator=draws)
        matrix = torch.randn(data.width, data.width, generator=draws)
        self.inputs = inputs.to(device)
        self.targets = (inputs @ matrix.T).to(device)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """All inputs and targets, (samples, width) each."""
        return self.inputs, self.targets

    def tables(self, step: int) -> Sequence[Tensor]:
        """None: all batches are the same."""
        return ()

    def take(self, tables: Sequence[Tensor], place: Tensor) -> tuple[Tensor, Tensor]:
        """All inputs and targets."""
        return self.inputs, self.targets

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared distance, mean over samples."""
        return (outputs - targets).square().sum(dim=1).mean()

    @torch.no_grad()
    def evaluate(self, forward: Forward) -> dict[str, float]:
        """The loss in evaluation mode."""
        return {"evaluated loss": self.loss(forward(self.inputs), self.targets).item()}


Data = Images | LinearMap


def task(training_config: TrainingConfig, data: Data, device: str) -> Task:
    """The task for these data."""
    if isinstance(data, LinearMap):
        return Regression(training_config, data, device)
    return Classification(training_config, data, device)
