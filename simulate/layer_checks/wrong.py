"""Layers with one defect each: controls that must fail the check for that defect."""

import torch
from torch import Tensor, nn


class Batch(nn.Module):
    """Batch normalisation of (batch, channels) from primitives, without running statistics."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of each channel."""
        return x.mean(0), x.var(0, correction=0)

    def scale(self, variance: Tensor) -> Tensor:
        """The denominator."""
        return torch.sqrt(variance + self.eps)

    def forward(self, x: Tensor) -> Tensor:
        """``gamma (x - mean)/scale + beta``."""
        mean, variance = self.statistics(x)
        return self.weight * (x - mean) / self.scale(variance) + self.bias


class Unbiased(Batch):
    """Divides by the unbiased variance."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and unbiased variance."""
        return x.mean(0), x.var(0, correction=1)


class Detached(Batch):
    """Treats its statistics as constants when it is differentiated."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance, detached from x."""
        return x.mean(0).detach(), x.var(0, correction=0).detach()


class EpsOutside(Batch):
    """Adds eps to the standard deviation, not to the variance."""

    def scale(self, variance: Tensor) -> Tensor:
        """``sigma + eps``."""
        return torch.sqrt(variance) + self.eps
