"""The tasks that networks are trained on: classifying images, or learning a linear map."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from bnproof.empirical.data.images import Images, Split, stream
from bnproof.empirical.data.pixels import Pixels
from bnproof.empirical.training.config import TrainingConfig
from bnproof.theory.common.errors import UserError

TEST_BATCH: Final = 1_000
Forward = Callable[[Tensor], Tensor]


class Task(Protocol):
    """Batches, loss and evaluation of one run."""

    epoch_steps: int

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of one step on the device; they depend on the configuration only."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch, a scalar."""

    def evaluate(self, forward: Forward) -> Mapping[str, float]:
        """What is recorded about a network in evaluation mode."""


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
        self.training_config, self.images = training_config, images
        self.pixels = Pixels(images, device)
        self.epoch_steps = count // training_config.batch
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Standardised images (b, 3, 32, 32) and labels (b,) of one step."""
        epoch, place = divmod(step, self.epoch_steps)
        if self._order[0] != epoch:
            draws = stream(self.training_config.seed, f"order {epoch}")
            self._order = (epoch, torch.randperm(len(self.images.train), generator=draws))
        size = self.training_config.batch
        rows = self._order[1][place * size : (place + 1) * size]
        draws = stream(self.training_config.seed, f"augment {step}")
        return self.pixels.train(rows, draws if self.training_config.augment else None)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy."""
        return functional.cross_entropy(outputs, targets)

    def evaluate(self, forward: Forward) -> dict[str, float]:
        """Accuracy on the first `TrainingConfig.tested` training and test images."""
        return {
            f"{name} accuracy": self.accuracy(forward, split)
            for name, split in (("train", self.images.train), ("test", self.images.test))
        }

    @torch.no_grad()
    def accuracy(self, forward: Forward, split: Split) -> float:
        """Accuracy on the first images of `split`, the same number for both splits."""
        count = min(self.training_config.tested, len(self.images.test), len(split))
        right = 0
        for start in range(0, count, TEST_BATCH):
            rows = slice(start, min(start + TEST_BATCH, count))
            predicted = forward(self.pixels.plain(split.pixels[rows])).argmax(1).cpu()
            right += int((predicted == split.labels[rows]).sum())
        return right / count


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
