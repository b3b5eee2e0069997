"""The state of a training run that callbacks measure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from bnproof.empirical.metrics.objective import Loss


@dataclass(frozen=True)
class TrainingState:
    """A network before its next step, the batch and learning rate of that step.

    `reference` is the input batch of step 0, the same throughout a run.  `evaluate` evaluates a
    function from inputs to outputs as the run evaluates its network.
    """

    model: nn.Module
    loss: Loss
    inputs: Tensor
    targets: Tensor
    reference: Tensor
    evaluate: Callable[[Callable[[Tensor], Tensor]], Mapping[str, float]]
    rate: float
    step: int


# Measures a training state; it must leave the network unchanged.
Callback = Callable[[TrainingState], Mapping[str, Any]]
