"""The variance of the normalised batch falls short of 1 by eps/(sigma^2 + eps)."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.definition.notes_unit_moments import prove
from bnproof.theory.symbols import REGULAR, eps, hat_std, s

CLAIM = Claim(
    id="notes_unit_moments_eps",
    title="The layer forces the mean to 0 and the variance to 1 - eps/(sigma^2 + eps).",
    relation=sp.Eq(hat_std**2, 1 - eps / s**2),
    domain=REGULAR,
    control=sp.Eq(hat_std, 1 - eps / s**2),
    checks=(Proof(prove), RandomTest()),
    expected=Verdict.PROVED,
    remark=(
        "Before gamma and beta. The defect, eps/(sigma^2 + eps), is at most 1e-5 for eps = 1e-5 "
        "and sigma of 1 or more; it is near 1 for a unit with sigma far below sqrt(eps). The "
        "control omits the square."
    ),
)
