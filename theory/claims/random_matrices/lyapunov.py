"""Lyapunov exponents of products of Gaussian matrices."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, SpectrumTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import products as random_products
from bnproof.theory.random_matrices.products import EXPONENT, N, freedom, log_r
from bnproof.theory.sources import Source


def prove() -> DerivationResult:
    """Derive E log r_kk for every N and k; Newman's theorem relates it to s_k."""
    d = Derivation()
    random_products.triangular_steps(d)
    d.cite(
        "The strong law of large numbers for the k x k minors turns the diagonal into s_k",
        random_products.NEWMAN,
        r"\tfrac1M\log s_k \to \mathbb{E}\log r_{kk}",
        "log(s_k)/M -> E log r_kk",
    )
    return d.finish()


CLAIM = Claim(
    id="lyapunov",
    title="Singular values of long products grow at the rates (log(2/N) + psi((N-k+1)/2))/2.",
    sources=(
        Source(
            "derived",
            "C. M. Newman, Commun. Math. Phys. 103 (1986) 121; QR chain of Gaussian matrices",
        ),
    ),
    statement=(
        r"X = X_1\cdots X_M,\ (X_i)_{jl} \sim N(0, \tfrac1N) \text{ independent}:\quad"
        r"\tfrac1M\log s_k \to \tfrac12\left(\log\tfrac2N + \psi\left(\tfrac{N-k+1}2\right)\right)"
    ),
    relation=sp.Eq(log_r, EXPONENT),
    control=sp.Eq(log_r, sp.log(freedom / N) / 2),
    checks=(
        Proof(prove),
        RandomTest(sizes=(1, 2, 4), sampler="products"),
        SpectrumTest(
            study="lyapunov",
            statement="digamma",
            control="log of the mean square",
            factors=(16, 32, 64, 128),
        ),
    ),
    expected=Verdict.PROVED,
    remark=(
        "The relation holds for every M; that log s_k/M has the same limit is Newman's theorem, "
        "and their distance tends to 0 as 1/M in the simulation. The control has the logarithm of "
        "the mean of r_kk^2 instead of the mean of its logarithm."
    ),
)
