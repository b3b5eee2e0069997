"""When the layer lowers the curvature along the gradient."""

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.claims.hessian import santurkar_4_2
from bnproof.theory.exact.curvature import exactly
from bnproof.theory.layer.curvature import gz, shrink
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import IDEAL, gamma, gy, m, sigma, vHv, vKv, vv


def prove() -> DerivationResult:
    """Theorem 4.2, where the hypotheses give the signs of its two changes."""
    first = santurkar_4_2.prove()
    d = Derivation.after(first)
    rest = (1 - shrink / sigma**2) * vHv - gz * vv / (m * sigma**2)
    d.value(
        vKv,
        "In the symbols of the hypotheses: gamma yhat is the layer's output before its shift",
        santurkar_4_2.BOUND,
        rest.subs({shrink: sigma**2 - gamma**2, gz: gamma * gy}),
        shown=rest,
    )
    return d.finish(
        [
            Term(shrink / sigma**2 * vHv, "two hypotheses: gamma^2 <= sigma^2 and v'Hv >= 0"),
            Term(gz * vv / (m * sigma**2), "the third hypothesis times a square"),
        ],
        using=[vKv],
    )


CLAIM = Claim(
    id="slides_more_predictive_if",
    title="Where |gamma| <= sigma, v'Hv >= 0 and <g,gamma yhat> >= 0, curvature along v shrinks.",
    statement=(
        r"|\gamma| \le \sigma,\ v^\top H v \ge 0,\ \langle g,\gamma\hat y\rangle \ge 0"
        r"\ \Rightarrow\ v^\top K v \le v^\top H v"
    ),
    relation=sp.Le(vKv, vHv),
    domain=sp.And(IDEAL, sp.Ge(shrink, 0), sp.Ge(vHv, 0), sp.Ge(gz, 0)),
    control=sp.Le(vKv, gamma**2 / sigma**2 * vHv - 2 * gamma / (m * sigma**2) * gy * vv),
    checks=(
        Proof(
            prove,
            attained=ExactCase(
                "L(z) = |z|^2/2 + b'z with b = (0, -2, 1, 1), y = (1, 1, -1, -1), gamma = 1",
                lambda: exactly(santurkar_4_2.CASE),
            ),
        ),
        RandomTest(sampler="weights"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "The hypothesis |gamma| <= sigma concerns the layer and fails as weights shrink; a "
        "positive semi-definite H implies v'Hv >= 0; <g,gamma yhat> >= 0 means that shrinking the "
        "layer's output lowers the loss. The share of random networks that satisfy all three is "
        "reported. The control subtracts the last term of Theorem 4.2 twice."
    ),
)
