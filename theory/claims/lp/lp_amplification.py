"""How much centred l_p normalisation can lengthen a gradient (derived)."""

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.normalizers import groups, oblique
from bnproof.theory.normalizers.groups import AfAf, S, c_n, c_S
from bnproof.theory.normalizers.oblique import nn, oblique_steps, ww
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import eps, vv

CENTRED = sp.And(sp.Eq(c_n, 1), sp.Eq(c_S, 1), sp.Eq(eps, 0))
BOUND = nn * ww * AfAf / S**2


def l1_of_four() -> dict[sp.Symbol, sp.Expr]:
    """l_1 normalisation of u = (3, 1, -2, -2), loss (1, -1, 0, 0)n, differentiated by entries."""
    u = sp.symbols("u1:5", real=True)
    at = dict(zip(u, (3, 1, -2, -2), strict=True))
    f = (1, -1, 0, 0)
    centred = [entry - sum(u) / 4 for entry in u]
    scale = sum(sp.Abs(entry) for entry in centred) / 4
    n = [entry / scale for entry in centred]
    loss = sum(a * b for a, b in zip(f, n, strict=True))

    def square(expr: sp.Expr) -> sp.Expr:
        return sum(sp.diff(expr, entry).subs(at).doit() ** 2 for entry in u)

    return {
        c_n: sp.Integer(1),
        c_S: sp.Integer(1),
        eps: sp.Integer(0),
        S: scale.subs(at),
        nn: sum(entry.subs(at) ** 2 for entry in n),
        ww: square(scale),
        vv: square(loss),
        AfAf: sp.Integer(2),
    }


CASE = ExactCase("l_1 normalisation of u = (3, 1, -2, -2), f = (1, -1, 0, 0)", l1_of_four)


def prove() -> DerivationResult:
    """The Jacobian is an oblique projector over S; split the gradient along n, w and a rest."""
    d = Derivation()
    groups.jacobian_steps(d)
    oblique_steps(d)
    return d.finish(oblique.amplification_steps(d))


CLAIM = Claim(
    id="lp_amplification",
    title="Centred l_p normalisation lengthens a centred gradient by at most |n||w|/S.",
    sources=(Source("derived", "for the l_p normalisation of S0 with a centred scale"),),
    statement=r"\|\nabla_u L\|^2 \le \frac{\|n\|^2\|w\|^2}{S^2}\,\|A\nabla_n L\|^2",
    relation=sp.Le(vv, BOUND),
    domain=CENTRED,
    control=sp.Le(vv, AfAf / S**2),
    checks=(
        Proof(prove, attained=CASE),
        RandomTest(sizes=(4, 5, 16), sampler="normalizers"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "For every p from 1 to infinity. The factor is 1 only if w is parallel to n, which is "
        "always true at p = 2; the table of normalisers has its suprema over activations. "
        "The control is the analogue of Theorem 4.1: lp_contraction."
    ),
)
