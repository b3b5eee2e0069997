"""Norms, exponents and exact scaling of tensors by powers of two of any size."""

from typing import Final

import torch
from torch import Tensor

NOTHING: Final = -(2**40)  # exponent of 0
SAFE: Final = 2.0**-450  # norms from here to its inverse need no care


def bits_of(x: Tensor) -> int:
    """Bits of the mantissa of the type."""
    return 53 if x.dtype in (torch.float64, torch.complex128) else 24


def norms_of(x: Tensor, dim: int) -> Tensor:
    """Euclidean norms in float64, without overflow or underflow."""
    norm = torch.linalg.vector_norm(x, dim=dim, dtype=None if bits_of(x) == 53 else _wide(x))
    if bool(((norm > SAFE) & (norm < 1 / SAFE)).all()):
        return norm
    largest = x.abs().amax(dim).double()
    ratio = x / torch.where(largest > 0, largest, 1.0).unsqueeze(dim)
    return largest * torch.linalg.vector_norm(ratio, dim=dim)


def _wide(x: Tensor) -> torch.dtype:
    return torch.complex128 if x.is_complex() else torch.float64


def exponents_of(x: Tensor) -> Tensor:
    """The integer k with 2**(k-1) <= x < 2**k, `NOTHING` for 0."""
    return torch.where(x > 0, torch.frexp(x).exponent.long(), NOTHING)


def scaled(x: Tensor, shift: Tensor) -> Tensor:
    """X times 2**shift, exact within the range of the type."""
    limit, real = (1000, torch.float64) if bits_of(x) == 53 else (120, torch.float32)
    if not bool((shift.abs() > limit).any()):
        return x * _power(shift).to(real)
    shift = shift.clamp(-2 * limit, 2 * limit)
    half = shift // 2
    return x * _power(half).to(real) * _power(shift - half).to(real)


def _power(e: Tensor) -> Tensor:
    """2**e for integers from -1022 to 1023, from the bits of a float64."""
    return ((e + 1023) << 52).view(torch.float64)
