"""Spectra of Figure 9 and of given factors, compared with a dense product and SVD."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.comparisons.row import Row, alternate
from bnproof.simulate.random_matrices.spectra.chi_models import triangular_products
from bnproof.simulate.random_matrices.spectra.sampling import sample_singular_values
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values

SIZE = 1000
# Number of factors, and the required ratio.
REQUIRED = {1: 8.0, 2: None, 3: None, 10: 1.2}
PEER = "dense product + SVD"


def _gaussian(count: int, size: int, seed: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, size, size, generator=generator, dtype=dtype)
    return list(drawn / size**0.5)


def _product(factors: list[Tensor]) -> Tensor:
    product = factors[0]
    for factor in factors[1:]:
        product = product @ factor
    return product


def _sampled(count: int, required: float | None) -> Row:
    """Compare the time of a spectrum of Figure 9, including random numbers."""

    def ours() -> Tensor:
        return sample_singular_values([SIZE] * (count + 1), 1, seed=1, method="auto")

    def theirs() -> Tensor:
        return torch.linalg.svdvals(_product(_gaussian(count, SIZE, 1)))

    times = alternate(ours, theirs, repeats=5 if count < 4 else 3)
    what = f"a spectrum of Figure 9, M = {count}, N = {SIZE}"
    return Row(what, *times, PEER, required, _accuracy(count) if count > 3 else "")


def _accuracy(count: int) -> str:
    """Compare the singular values of a triangular product with those by Jacobi's method."""
    rng = np.random.default_rng(3)
    product = triangular_products([SIZE] * count, SIZE, 1, [rng], "cpu")
    gap = torch.linalg.svdvals(product).log() - log_singular_values([product])
    return f"largest error of the logarithm of a singular value: {float(gap.abs().max()):.0e}"


def _given(count: int, size: int, dtype: torch.dtype = torch.float64) -> Row:
    """Compare time and accuracy of the logarithms of all singular values of given factors."""
    factors = _gaussian(count, size, 2, dtype)

    def ours() -> Tensor:
        return log_singular_values(factors)

    def theirs() -> Tensor:
        return torch.linalg.svdvals(_product(factors))

    logs = ours().numpy()
    product = _product(factors).numpy()
    determinants = float(sum(torch.linalg.slogdet(factor).logabsdet for factor in factors))
    with np.errstate(divide="ignore"):
        plain = np.log(np.linalg.svd(product, compute_uv=False))
        gram = np.log(np.abs(np.linalg.eigvalsh(product.conj().T @ product)[::-1])) / 2
    wrong = [int((np.abs(values - logs) > 0.01).sum()) for values in (plain, gram)]
    note = (
        f"condition number 1e{(logs[0] - logs[-1]) / np.log(10):.0f}; sum of logarithms minus "
        f"log det: {logs.sum() - determinants:.0e}; errors above 1 %: {wrong[0]} values by SVD, "
        f"{wrong[1]} by the Gram matrix"
    )
    times = alternate(ours, theirs, repeats=2 if size == SIZE else 10)
    kind = "complex " if dtype.is_complex else ""
    return Row(f"spectrum of {count} given {kind}factors, N = {size}", *times, PEER, None, note)


COMPARISONS = {
    **{f"sampled {count}": partial(_sampled, count, REQUIRED[count]) for count in REQUIRED},
    "given 10": partial(_given, 10, SIZE),
    "given 10 small": partial(_given, 10, 200),
    "given 10 complex": partial(_given, 10, 200, torch.complex128),
    "given 300": partial(_given, 300, 50),
}
