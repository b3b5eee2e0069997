"""Channel means and variances over the depth of a network (S3, figure 5)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import linregress
from torch import Tensor

from bnproof.empirical.networks.resnet import ResNet
from bnproof.empirical.networks.undisturbed import captured, undisturbed


@dataclass(frozen=True)
class Moments:
    """Moments over (b, x, y) of the output of each block, one tensor (channels,) per block.

    `logits` is the output of the network, (b, classes).
    """

    means: tuple[Tensor, ...]
    variances: tuple[Tensor, ...]
    logits: Tensor


def block_moments(model: ResNet, inputs: Tensor) -> Moments:
    """Measure the output of every residual block (after its ReLU) on one batch.

    Returns
    -------
    Moments
        float64, on the CPU.  The variance is the biased one that BN divides by.
    """
    means, variances = [], []
    blocks = dict(enumerate(model.blocks))
    with undisturbed(model), torch.no_grad(), captured(blocks) as (_, outputs):
        logits = model(inputs)
        for number in blocks:
            variance, mean = torch.var_mean(outputs[number].double(), dim=(0, 2, 3), correction=0)
            means.append(mean.cpu())
            variances.append(variance.cpu())
    return Moments(tuple(means), tuple(variances), logits)


@dataclass(frozen=True)
class Growth:
    """Exponential growth of a positive quantity with depth, by a linear fit of its logarithm.

    Attributes
    ----------
    factor
        Ratio of the last fitted value to the first.
    straightness
        Coefficient of determination R^2 of the fit: close to 1 for exponential growth.
    """

    factor: float
    straightness: float


def growth(values: NDArray[np.float64]) -> Growth:
    """Fit ``log(values)`` linearly in the index; `values` must be positive."""
    steps = np.arange(len(values))
    line = linregress(steps, np.log(values))
    return Growth(
        factor=float(np.exp(line.slope * (len(values) - 1))), straightness=float(line.rvalue**2)
    )
