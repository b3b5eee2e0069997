"""Random initial weights."""

from collections.abc import Callable, Iterable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from bnproof.theory.common.errors import one_of, positive

Initialisation = Literal["xavier", "kaiming", "orthogonal", "torch"]


def _uniform_fan_in(parameter: Tensor, fan_in: int, generator: torch.Generator) -> None:
    """PyTorch's default for convolutions and linear layers: uniform on +-1/sqrt(fan_in)."""
    bound = fan_in**-0.5
    nn.init.uniform_(parameter, -bound, bound, generator=generator)


def _xavier(weight: Tensor, generator: torch.Generator) -> None:
    nn.init.xavier_uniform_(weight, generator=generator)


def _kaiming(weight: Tensor, generator: torch.Generator) -> None:
    nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def _orthogonal(weight: Tensor, generator: torch.Generator) -> None:
    nn.init.orthogonal_(weight, generator=generator)


def _torch(weight: Tensor, generator: torch.Generator) -> None:
    _uniform_fan_in(weight, weight[0].numel(), generator)


_LAWS: dict[Initialisation, Callable[[Tensor, torch.Generator], None]] = {
    "xavier": _xavier,  # Glorot and Bengio (2010), uniform
    "kaiming": _kaiming,  # He et al. (2015), normal, fan-in, for every nonlinearity
    "orthogonal": _orthogonal,  # Saxe et al. (2014); rows (o) against columns (i, x', y')
    "torch": _torch,
}


@torch.no_grad()
def draw(
    layers: Iterable[tuple[nn.Module, Initialisation]],
    generator: torch.Generator,
    *,
    gain: float = 1.0,
) -> None:
    """Draw the weights of all layers in order, each from its distribution times `gain`.

    Biases become 0, except with ``"torch"``, PyTorch's default, where they are drawn after all
    weights, so that a network has the same weights with biases and with a normalisation in their
    place.

    Parameters
    ----------
    layers
        Convolutions and linear layers, each with its initialisation.
    generator
        A CPU generator.

    Raises
    ------
    ValueError
        If `gain` is not positive and finite, or an initialisation is unknown.
    """
    positive("gain", gain)
    drawn = [(dict(layer.named_parameters()), law) for layer, law in layers]
    for parameters, law in drawn:
        one_of("init", law, get_args(Initialisation))
        _LAWS[law](parameters["weight"], generator)
        parameters["weight"].mul_(gain)
    for parameters, law in drawn:
        if "bias" not in parameters:
            continue
        if law == "torch":
            _uniform_fan_in(parameters["bias"], parameters["weight"][0].numel(), generator)
        else:
            parameters["bias"].zero_()
