"""Section 5 of S3: the constant of an initialisation does not affect the conditioning."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, SpectrumTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.random_matrices import products as random_products
from bnproof.theory.random_matrices.products import constant, kappa, kappa_scaled


def prove() -> DerivationResult:
    """Derive both condition numbers from the singular values."""
    d = Derivation()
    random_products.scaling_steps(d)
    return d.finish()


CLAIM = Claim(
    id="bjorck_scale_free",
    title="The constants of Xavier's or Kaiming's initialisation do not change the conditioning.",
    statement=r"\kappa(c_1X_1\cdots c_MX_M) = \kappa(X_1\cdots X_M),\quad c_i \ne 0",
    relation=sp.Eq(kappa_scaled, kappa),
    control=sp.Eq(kappa_scaled, sp.Abs(constant) * kappa),
    checks=(
        Proof(prove),
        RandomTest(sizes=(1, 2, 4), sampler="products"),
        SpectrumTest(
            study="scale",
            statement="one constant a factor",
            control="one constant a row",
            factors=(1, 2, 4, 8),
        ),
    ),
    expected=Verdict.PROVED,
    remark=(
        "True for linear layers of equal width and any matrices: an initialisation only chooses "
        "the constant. A constant for each row, the control of the simulation, does change the "
        "condition number."
    ),
)
