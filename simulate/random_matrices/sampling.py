"""Singular values of products of independent square Gaussian matrices, drawn at random."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


def product_singular_values(
    factors: int, size: int, repeats: int, *, seed: int, device: str = "cpu"
) -> Tensor:
    """Singular values of X_1 ... X_M for real N x N factors with independent N(0, 1/N) entries.

    The matrices are multiplied as they are: this is the definition, not the fastest sampler.
    Random numbers are drawn on the CPU, so that they are the same whatever device takes them.

    Parameters
    ----------
    factors, size, repeats
        M, N and the number of independent products, each at least 1.
    seed
        At least 0.  With M and N it determines the numbers; the first products are the same
        however many follow.
    device
        Where matrices are multiplied and decomposed.

    Returns
    -------
    Tensor
        Float64, shape (repeats, size), each row descending, on the CPU.  The absolute rounding
        error is some 1e-15 times the largest value: a value below that is lost.

    Raises
    ------
    ValueError
        If a count is not an integer >= 1 or the seed not an integer >= 0.
    """
    for name, value in (("factors", factors), ("size", size), ("repeats", repeats)):
        _at_least(name, value, 1)
    _at_least("seed", seed, 0)
    state = np.random.SeedSequence((seed, factors, size)).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0]))
    scale = size ** (-factors / 2)
    result = torch.empty(repeats, size, dtype=torch.float64)
    with _one_thread():
        for row in result:
            product = _gaussian(size, generator).to(device)
            for _ in range(factors - 1):
                product = product @ _gaussian(size, generator).to(device)
            row.copy_(torch.linalg.svdvals(product) * scale)
    return result


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch use one CPU thread, so that the numbers do not depend on how many there are.

    Small decompositions are slower on more threads, on a busy machine by far.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _gaussian(size: int, generator: torch.Generator) -> Tensor:
    return torch.randn(size, size, dtype=torch.float64, generator=generator)


def _at_least(name: str, value: object, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer >= {low}, not {value!r}")
