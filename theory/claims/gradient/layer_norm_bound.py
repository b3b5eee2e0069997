"""The gradient bound of Theorem 4.1 for normalisers along other axes."""

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.groups import AfAf, S, c_n, c_S, fn, omega, p, theta
from bnproof.theory.normalizers.table import NORMALIZERS, R
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import eps, latex, m, text, vv

# Root mean square scales of the vector that is divided; eps, if any, inside or outside the root.
SQUARE_SCALE = sp.And(sp.Eq(p, 2), sp.Eq(c_n, c_S))
OTHER_AXES = ("LayerNorm", "RMSNorm", "GroupNorm", "InstanceNorm", "WeightNorm")


def prove() -> DerivationResult:
    """Derive |v|^2 for a group, in terms of omega and theta of the normaliser."""
    d = Derivation()
    groups.define(d)
    groups.gradient_steps(d)
    groups.scale_steps(d)
    for kind in NORMALIZERS:
        if kind.name in OTHER_AXES:
            scale, centring = kind.outer(R), "centring" if kind.centred else "the identity"
            slope = sp.diff(scale, R)
            words = f"{kind.name}: A is {centring}, S = {text(scale)}"
            d.equal(words, (latex(omega), text(omega)), slope * scale / R, kind.omega)
            d.equal(kind.name, (latex(theta), text(theta)), 1 - slope * R / scale, kind.theta)
    groups.curvature_steps(d)
    slack = Term(omega * theta * fn**2 / (m * S**2), "omega theta >= 0 times a square")
    return d.finish([slack])


def layer_norm() -> dict[sp.Symbol, sp.Expr]:
    """LayerNorm of four features without eps, loss <b,z>, differentiated entry by entry."""
    u = sp.symbols("u1:5", real=True)
    at = dict(zip(u, (0, 2, 0, 2), strict=True))
    f = (1, 0, 0, 2)  # gamma b at gamma = (1, 2, 1, 2), b = (1, 0, 0, 1)
    centred = [entry - sum(u) / 4 for entry in u]
    scale = sp.sqrt(sum(entry**2 for entry in centred) / 4)
    n = [entry / scale for entry in centred]
    loss = sum(a * b for a, b in zip(f, n, strict=True))
    return {
        m: sp.Integer(4),
        p: sp.Integer(2),
        c_n: sp.Integer(1),
        c_S: sp.Integer(1),
        eps: sp.Integer(0),
        omega: sp.Integer(1),
        S: scale.subs(at),
        vv: sum(sp.diff(loss, entry).subs(at) ** 2 for entry in u),
        fn: loss.subs(at),
        AfAf: sum((entry - sp.Rational(sum(f), 4)) ** 2 for entry in f),
    }


CLAIM = Claim(
    id="layer_norm_bound",
    title="The gradient bound holds for LayerNorm, RMSNorm, GroupNorm, InstanceNorm, WeightNorm.",
    sources=(Source("derived", "Theorem 4.1 of A18 for other groups of activations"),),
    statement=(
        r"\|\nabla_u L\|^2 \le \frac{1}{S^2}\Big(\|A\,\nabla_n L\|^2"
        r" - \frac{\omega}{m}\langle \nabla_n L, n\rangle^2\Big),\quad n = \frac{Au}{S}"
    ),
    relation=sp.Le(vv, (AfAf - omega * fn**2 / m) / S**2),
    domain=SQUARE_SCALE,
    control=sp.Le(vv, (AfAf - 2 * omega * fn**2 / m) / S**2),
    checks=(
        Proof(
            prove,
            attained=ExactCase(
                "LayerNorm at u = (0, 2, 0, 2), eps = 0, f = (1, 0, 0, 2)", layer_norm
            ),
        ),
        RandomTest(sampler="normalizers"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "m is the size of a group; omega is 1, except m for WeightNorm and S/(S - eps) for "
        "BatchNorm with eps outside the root, which the random instances include. If gamma has "
        "one entry per feature, the gradient at n is gamma times that at z entry by entry, so "
        "|gamma| does not factor out of the norm as in Theorem 4.1. RMSNorm and WeightNorm do not "
        "centre, so the term in the mean gradient is missing. The group of LayerNorm is one "
        "sample, so the bound does not depend on the batch, as S1 says; random instances take the "
        "gradient over the whole tensor, where any leak out of the group would break the bound at "
        "eps = 0. Theorem 4.2 carries over at eps = 0 with omega/m for 1/m. The control subtracts "
        "the last term twice."
    ),
)
