"""Statistics of tensors: heavy tails, dominance of one component, rank correlation."""

import torch
from scipy.stats import spearmanr
from torch import Tensor


def kurtosis(values: Tensor) -> float:
    """Fourth central moment divided by the squared variance.

    It is 3 for a normal distribution and 6 for a Laplace distribution.

    Raises
    ------
    ValueError
        If all values are equal.
    """
    centred = values.double().flatten() - values.double().mean()
    variance = centred.square().mean()
    if not variance > 0:
        raise ValueError("all values are equal; the kurtosis is undefined")
    return float((centred**4).mean() / variance**2)


def dominance(matrix: Tensor) -> float:
    """Squared largest singular value divided by the sum of the other squares, entries centred.

    The mean of all entries is subtracted first, because the first component of a matrix with
    positive entries outweighs all others whatever its structure.  Above 1, one component outweighs
    all others together; infinite for rank 1.

    Raises
    ------
    ValueError
        If `matrix` is not two-dimensional, or all entries are equal.
    """
    if matrix.dim() != 2:
        raise ValueError(f"a tensor of shape {tuple(matrix.shape)}; it must be a matrix")
    squares = torch.linalg.svdvals(matrix.double() - matrix.double().mean()).square()
    if not squares[0] > 0:
        raise ValueError("all entries are equal; nothing is left after subtracting their mean")
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
    """Permute all entries: a control that keeps the values and destroys their arrangement."""
    return values.flatten()[torch.randperm(values.numel(), generator=generator)].view(values.shape)
