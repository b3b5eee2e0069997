"""Over random weights of variance 1/n a linear unit keeps the mean square of its inputs."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import deep_linear
from bnproof.theory.training.deep_linear import inputs, spread, spread_out, squares_in


def prove() -> DerivationResult:
    """Sum the covariances of independent weights."""
    d = Derivation()
    deep_linear.unit_steps(d)
    return d.finish()


CLAIM = Claim(
    id="bjorck_variance_kept",
    title="Over random weights of variance 1/n a linear unit has the mean square of its inputs.",
    statement=(
        r"\mathrm{Var}_w\,\langle w, x\rangle = \mathrm{Var}\,w\;\|x\|^2\quad"
        r"\big(= \tfrac1n\|x\|^2 \text{ at } \mathrm{Var}\,w = \tfrac1n\big)"
    ),
    relation=sp.Eq(spread_out, spread * squares_in),
    control=sp.Eq(spread_out, spread * squares_in / inputs),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5), sampler="deep_linear")),
    expected=Verdict.PROVED,
    remark=(
        "For independent weights of one variance and any law, as in the derivations of Xavier's "
        "and Kaiming's initialisation; for layers of equal width Xavier's variance is 1/n. With "
        "weights of mean 0 the variance is the mean square of the output, so that the mean square "
        "is kept from layer to layer. The control divides by n once more."
    ),
)
