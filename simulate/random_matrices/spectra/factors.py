"""Validated factors of a product of matrices."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bnproof.simulate.random_matrices import Array


class Factors:
    """The factors of a product as float64 or complex128 tensors with a common batch axis.

    Attributes
    ----------
    tensors
        The factors, (K, n_(i-1), n_i).
    widths
        n_0, ..., n_M.

    Raises
    ------
    ValueError
        As `bnproof.simulate.random_matrices.spectra.singular_values.log_singular_values` says.
    """

    def __init__(self, factors: Sequence[ArrayLike | Tensor]) -> None:
        if isinstance(factors, Tensor | np.ndarray) or not factors:
            raise ValueError("factors must be a sequence of at least one matrix")
        self.first = next((f for f in factors if isinstance(f, Tensor)), None)
        tensors = [torch.as_tensor(factor) for factor in factors]
        for i, factor in enumerate(tensors):
            if factor.dim() < 2 or factor.numel() == 0:
                raise ValueError(
                    f"factors[{i}] must be a matrix with entries, not of shape {_shape(factor)}"
                )
            if factor.shape[:-2] != tensors[0].shape[:-2]:
                raise ValueError(
                    f"factors[{i}] has the batch shape {_shape(factor)[:-2]}, the first one "
                    f"{_shape(tensors[0])[:-2]}: they must be equal"
                )
            if i and factor.shape[-2] != tensors[i - 1].shape[-1]:
                raise ValueError(
                    f"widths do not chain: factors[{i - 1}] has {tensors[i - 1].shape[-1]} "
                    f"columns, factors[{i}] has {factor.shape[-2]} rows"
                )
            if factor.device != tensors[0].device:
                raise ValueError(
                    f"factors[{i}] is on {factor.device}, the first one on {tensors[0].device}"
                )
            # A finite sum, which is quicker, proves that all entries are.
            if not torch.isfinite(factor.sum()) and not torch.isfinite(factor).all():
                raise ValueError(f"factors[{i}] has entries that are NaN or infinite")
        self.batch = tensors[0].shape[:-2]
        kind = torch.complex128 if any(f.is_complex() for f in tensors) else torch.float64
        self.tensors = [f.detach().to(kind).reshape(-1, *f.shape[-2:]) for f in tensors]
        self.widths = [f.shape[-2] for f in tensors] + [tensors[-1].shape[-1]]

    def like_input(self, values: Array) -> Array | Tensor:
        """Values (K, r) with the batch shape and the array type of the factors."""
        shaped = values.reshape(*self.batch, values.shape[-1])
        return shaped if self.first is None else torch.from_numpy(shaped).to(self.first.device)


def _shape(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape)
