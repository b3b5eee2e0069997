"""Jacobian of l_p batch normalisation (derived; the slides ask for it, no source has it)."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.groups import Dn_ki, S, a_i, a_mean, c_n, c_S, n_i, n_k
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import delta_ki, eps, m

# The numerator is centred and nothing is added to the scale; the scale is centred or not.
POWER_SCALE = sp.And(sp.Eq(c_n, 1), sp.Eq(eps, 0))
FORMULA = (delta_ki - 1 / m - n_k * (a_i - c_S * a_mean) / m) / S


def prove() -> DerivationResult:
    """Derive the Jacobian for symbolic p and m."""
    d = Derivation()
    groups.slope_steps(d)
    groups.jacobian_steps(d)
    d.value(Dn_ki, "Take h = e_i and component k", groups.jacobian_entry(), FORMULA)
    return d.finish()


CLAIM = Claim(
    id="lp_jacobian",
    title="The Jacobian of l_p normalisation has the slope of its scale where BatchNorm has yhat.",
    sources=(
        Source("derived", "for the l_p normalisation of S0, 'Are these effects unique', and A18"),
    ),
    statement=(
        r"\frac{\partial n_k}{\partial u_i} = \frac1S\Big(\delta_{ki} - \tfrac1m"
        r" - \tfrac1m n_k (a_i - c_S\,\bar a)\Big),\quad"
        r" a_i = \mathrm{sign}(x_i)\Big|\frac{x_i}{S}\Big|^{p-1}"
    ),
    relation=sp.Eq(Dn_ki, FORMULA),
    domain=POWER_SCALE,
    control=sp.Eq(Dn_ki, (delta_ki - 1 / m - n_k * n_i / m) / S),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 5, 16), sampler="normalizers")),
    expected=Verdict.PROVED,
    remark=(
        "For p from 1 to infinity, where S is differentiable; the scale is that of the centred "
        "group for c_S = 1, and of the group itself, as the slides print it, for c_S = 0. With "
        "c_S = 1, S times the Jacobian is a projector for every p, oblique in general. For m > 3 "
        "it is orthogonal for all activations only at p = 2; for m = 3 also at p = 4, for m = 2 at "
        "every p. Otherwise it lengthens some gradients, by |n||w|: at most sqrt(m/2) at p = 1 and "
        "sqrt(m - 1) at p = infinity (the suprema for even m); lp_constant covers the other p. "
        "The control has the formula of p = 2 for every p."
    ),
)
