"""The base class of all networks of the experiments, with numbered layers."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Nonlinearity = Literal["relu", "tanh", "sigmoid", "none"]
NONLINEARITIES: dict[Nonlinearity, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "none": lambda x: x,
}


class Network(nn.Module):
    """A network whose layers with weights are numbered from 1.

    Projections on shortcuts are not counted.
    """

    def numbered(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """All layers, each with the module whose output is its activation."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.numbered())

    def layer(self, number: int) -> nn.Module:
        """Return the convolution or linear layer with this number.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        return self._pair(number)[0]

    def activation(self, number: int) -> nn.Module:
        """Return the module whose output is the activation of layer `number`, for hooks.

        This is the layer's output after its normalisation and noise, but before a shortcut, the
        nonlinearity and pooling: the quantity to which Ioffe and Szegedy (2015) give mean beta and
        deviation gamma.  Without normalisation it is the output of the layer itself.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        return self._pair(number)[1]

    def _pair(self, number: int) -> tuple[nn.Module, nn.Module]:
        pairs = self.numbered()
        if not 1 <= number <= len(pairs):
            raise ValueError(f"layer {number}: must be 1 to {len(pairs)} in this network")
        return pairs[number - 1]
