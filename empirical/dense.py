"""Fully connected networks of many equal layers, with and without batch normalisation."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH: Final = 256


class Dense(nn.Module):
    """Images to logits through `depth` layers ``relu(norm(Wx))``, all W but the first square.

    Weights are He's (normal, variance 2/fan in) and there are no biases but BN's beta, so that
    without BN the expected square of a gradient is the same in every layer.

    Parameters
    ----------
    depth
        Number of hidden layers, at least 2.
    generator
        A CPU generator that the weights are drawn from; the same for every other argument.
    normalised
        BN before every ReLU, or none.
    shortcuts
        Every hidden layer but the first adds its input to its output.

    Raises
    ------
    ValueError
        If `depth` is below 2.
    """

    def __init__(
        self,
        depth: int,
        *,
        generator: torch.Generator,
        normalised: bool = True,
        shortcuts: bool = False,
        width: int = WIDTH,
        pixels: int = 3 * 32 * 32,
        classes: int = 10,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth {depth}: must be at least 2")
        self.shortcuts = shortcuts
        with torch.random.fork_rng(devices=[]):  # PyTorch's own initialisation, overwritten below
            self.layers = nn.ModuleList(
                nn.Linear(width if number else pixels, width, bias=False) for number in range(depth)
            )
            self.linear = nn.Linear(width, classes, bias=False)
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(width) if normalised else nn.Identity() for _ in range(depth)
        )
        for layer in (*self.layers, self.linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, ...) with `pixels` entries an image to logits (b, classes)."""
        x = x.flatten(1)
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            out = functional.relu(norm(layer(x)))
            x = x + out if self.shortcuts and number else out
        logits: Tensor = self.linear(x)
        return logits
