"""Adam, uphill: `torch.optim.Adam` to the last bit, without PyTorch's compiler.

Making any optimiser of `torch.optim` imports `torch._dynamo`: 800 modules, 70 MiB and a second,
more than attacking a claim takes.
"""

from collections.abc import Collection
from typing import Final

import torch
from torch import Tensor

BETAS: Final = (0.9, 0.999)  # Kingma and Ba (2015), and PyTorch's defaults
EPS: Final = 1e-8


class Adam:
    """Ascent by Adam on tensors, which are changed in place; each keeps its own moments.

    Parameters
    ----------
    tensors
        What is moved.
    """

    def __init__(self, tensors: Collection[Tensor]) -> None:
        self._tensors = list(tensors)
        self._steps = [0] * len(self._tensors)
        self._means = [torch.zeros_like(tensor) for tensor in self._tensors]
        self._squares = [torch.zeros_like(tensor) for tensor in self._tensors]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move every tensor along its ``grad``; one that has none stays where it is."""
        for index, tensor in enumerate(self._tensors):
            if tensor.grad is None:
                continue
            self._steps[index] += 1
            mean, square = self._means[index], self._squares[index]
            slope = -tensor.grad  # descent on the negative, whose rounding is PyTorch's
            mean.lerp_(slope, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(slope, slope, value=1 - BETAS[1])
            bias = [1 - beta ** self._steps[index] for beta in BETAS]
            scale = (square.sqrt() / bias[1] ** 0.5).add_(EPS)
            tensor.addcdiv_(mean, scale, value=-rate / bias[0])
