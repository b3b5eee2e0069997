"""Measurements made in the course of a training run, by the name that a recipe gives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor, nn

from empirical.probes.objective import Loss
from theory.errors import UserError


@dataclass(frozen=True)
class Moment:
    """A network before its next step, the batch and learning rate of that step.

    `reference` are the inputs of step 0: the same at every moment of a run.
    """

    model: nn.Module
    loss: Loss
    inputs: Tensor
    targets: Tensor
    reference: Tensor
    rate: float
    step: int


# What is recorded of a moment.  It must leave the network as it is.
Watch = Callable[[Moment], Mapping[str, Any]]

WATCHES: Final[dict[str, Watch]] = {}


def watch(name: str) -> Watch:
    """Return the measurement of that name.

    Raises
    ------
    UserError
        If there is none.
    """
    if name not in WATCHES:
        raise UserError(f"probe {name!r}: must be one of {', '.join(WATCHES)}")
    return WATCHES[name]
