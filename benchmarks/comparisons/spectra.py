"""Figure 9's spectra, and the spectrum of given factors, against dense product and SVD."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.comparisons.row import Row, alternate
from bnproof.simulate.random_matrices.spectra.chi_models import triangular_products
from bnproof.simulate.random_matrices.spectra.sampling import sample_singular_values
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values

SIZE = 1000
# Number of factors, and the ratio that the project promises.
PROMISED = {1: 8.0, 2: None, 3: None, 10: 1.2}
PEER = "dense product + SVD"


def _gaussian(count: int, size: int, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, size, size, generator=generator, dtype=torch.float64)
    return list(drawn / size**0.5)


def _product(factors: list[Tensor]) -> Tensor:
    product = factors[0]
    for factor in factors[1:]:
        product = product @ factor
    return product


def _sampled(count: int, required: float | None) -> Row:
    """One spectrum of Figure 9, random numbers included."""

    def ours() -> Tensor:
        return sample_singular_values([SIZE] * (count + 1), 1, seed=1, method="auto")

    def theirs() -> Tensor:
        return torch.linalg.svdvals(_product(_gaussian(count, SIZE, 1)))

    times = alternate(ours, theirs, repeats=5 if count < 4 else 3)
    what = f"a spectrum of Figure 9, M = {count}, N = {SIZE}"
    return Row(what, *times, PEER, required, _accuracy(count) if count > 3 else "")


def _accuracy(count: int) -> str:
    """How the singular values of one triangular product compare with those by Jacobi's method."""
    rng = np.random.default_rng(3)
    product = triangular_products([SIZE] * count, SIZE, 1, [rng], "cpu")
    gap = torch.linalg.svdvals(product).log() - log_singular_values([product])
    return f"ours: every logarithm of a singular value is right to {float(gap.abs().max()):.0e}"


def _given(count: int, size: int) -> Row:
    """Logarithms of all singular values of given factors, and how far off the baselines are."""
    factors = _gaussian(count, size, 2)

    def ours() -> Tensor:
        return log_singular_values(factors)

    def theirs() -> Tensor:
        return torch.linalg.svdvals(_product(factors))

    logs = ours().numpy()
    product = _product(factors).numpy()
    determinants = float(sum(torch.linalg.slogdet(factor).logabsdet for factor in factors))
    with np.errstate(divide="ignore"):
        plain = np.log(np.linalg.svd(product, compute_uv=False))
        gram = np.log(np.abs(np.linalg.eigvalsh(product.T @ product)[::-1])) / 2
    off = [int((np.abs(found - logs) > 0.01).sum()) for found in (plain, gram)]
    note = (
        f"condition number 1e{(logs[0] - logs[-1]) / np.log(10):.0f}; sum of logarithms less "
        f"log det: {logs.sum() - determinants:.0e}; off by more than 1 %: {off[0]} values by SVD, "
        f"{off[1]} by the Gram matrix"
    )
    times = alternate(ours, theirs, repeats=2)
    return Row(f"spectrum of {count} given factors, N = {size}", *times, PEER, None, note)


COMPARISONS = {
    **{f"sampled {count}": partial(_sampled, count, PROMISED[count]) for count in PROMISED},
    "given 10": partial(_given, 10, SIZE),
    "given 300": partial(_given, 300, 50),
}
