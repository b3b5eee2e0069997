"""How numbers are spread: heavy tails, one dominating component, agreement of ranks."""

import torch
from scipy.stats import spearmanr
from torch import Tensor


def kurtosis(values: Tensor) -> float:
    """Fourth central moment over the squared variance: 3 for a normal law, 6 for Laplace's.

    Raises
    ------
    ValueError
        If all values are equal.
    """
    centred = values.double().flatten() - values.double().mean()
    variance = centred.square().mean()
    if not variance > 0:
        raise ValueError("all values are equal; kurtosis needs two different ones")
    return float((centred**4).mean() / variance**2)


def dominance(matrix: Tensor) -> float:
    """Squared largest singular value over the sum of the others' squares, entries centred.

    The mean over all entries is taken off first: a matrix of positive entries has a first
    component that outweighs all others whatever its structure.  Above 1 one component holds more
    than all others together; infinite for rank 1.

    Raises
    ------
    ValueError
        If `matrix` is not two-dimensional, or all entries are equal.
    """
    if matrix.dim() != 2:
        raise ValueError(f"a tensor of shape {tuple(matrix.shape)}; it must be a matrix")
    squares = torch.linalg.svdvals(matrix.double() - matrix.double().mean()).square()
    if not squares[0] > 0:
        raise ValueError("all entries are equal; none is left when their mean is taken off")
    return float(squares[0] / squares[1:].sum())


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's correlation of two vectors; NaN where one of them is constant.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes {tuple(first.shape)} and {tuple(second.shape)}: must be equal")
    if bool((first == first[0]).all()) or bool((second == second[0]).all()):
        return float("nan")
    return float(spearmanr(first.numpy(), second.numpy()).statistic)


def shuffled(values: Tensor, generator: torch.Generator) -> Tensor:
    """Permute all entries: a control that keeps the numbers and destroys where they stand."""
    return values.flatten()[torch.randperm(values.numel(), generator=generator)].view(values.shape)
