"""What every network of the experiments has in common: layers that are numbered."""

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
    """A network whose layers with weights are numbered from 1, first to last.

    Projections on shortcuts are not counted.
    """

    def numbered(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """Every layer, with the module whose output is its activation."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.numbered())

    def layer(self, number: int) -> nn.Module:
        """Return the convolution or linear layer of that number; it holds the weights.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        return self._pair(number)[0]

    def activation(self, number: int) -> nn.Module:
        """Return the module whose output is the activation of layer `number`, to be hooked.

        That is the layer's output after its normalisation and noise, before a shortcut is added,
        the nonlinearity and pooling: what Ioffe and Szegedy (2015) set to mean beta and deviation
        gamma.  Where nothing normalises it is the output of the layer itself.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        return self._pair(number)[1]

    def _pair(self, number: int) -> tuple[nn.Module, nn.Module]:
        pairs = self.numbered()
        if not 1 <= number <= len(pairs):
            raise ValueError(f"layer {number}: this network has the layers 1 to {len(pairs)}")
        return pairs[number - 1]
