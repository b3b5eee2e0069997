"""One moment of a training run, and what a measurement made in its course is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from bnproof.empirical.metrics.objective import Loss


@dataclass(frozen=True)
class TrainingState:
    """A network before its next step, the batch and learning rate of that step.

    `reference` are the inputs of step 0: the same at every moment of a run.  `evaluate` is what an
    evaluation of the run does with a function from inputs to outputs.
    """

    model: nn.Module
    loss: Loss
    inputs: Tensor
    targets: Tensor
    reference: Tensor
    evaluate: Callable[[Callable[[Tensor], Tensor]], Mapping[str, float]]
    rate: float
    step: int


# What is recorded of a moment.  It must leave the network as it is.
Callback = Callable[[TrainingState], Mapping[str, Any]]
