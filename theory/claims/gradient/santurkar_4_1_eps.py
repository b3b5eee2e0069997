"""Theorem 4.1 as every framework computes the layer: eps > 0 under the root."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import REGULAR, eps, g1, gamma, gg, gy, m, s, vv


def prove() -> DerivationResult:
    """Derive the squared norm of v for symbolic m and eps; the slack is one square."""
    d = Derivation()
    batchnorm.gradient_steps(d)
    slack = Term(
        gamma**2 / (m * s**2) * (eps / s**2) * gy**2,
        "(1 - kappa) times a square, where 1 - kappa = eps/s^2 >= 0",
    )
    return d.finish([slack])


CLAIM = Claim(
    id="santurkar_4_1_eps",
    title="With eps > 0 the gradient bound still holds, s = sqrt(sigma^2 + eps) in place of sigma.",
    sources=(Source("derived", "Theorem 4.1 of A18 for the layer of frameworks, eps > 0"),),
    statement=(
        r"\|\nabla_{y}\hat{\mathcal L}\|^2 \le \frac{\gamma^2}{\sigma^2+\varepsilon}\Big("
        r"\|\nabla_{z}\mathcal L\|^2 - \tfrac1m\langle \mathbf{1}, \nabla_{z}\mathcal L\rangle^2"
        r" - \tfrac1m\langle \nabla_{z}\mathcal L, \hat y\rangle^2\Big)"
    ),
    relation=sp.Le(vv, gamma**2 / s**2 * (gg - g1**2 / m - gy**2 / m)),
    domain=REGULAR,
    control=sp.Le(vv, gamma**2 / s**2 * (gg - g1**2 / m - 2 * gy**2 / m)),
    checks=(
        Proof(prove, attained=Counterexample.of(y=[1, 1, -1, -1], b=[1, -1, 0, 0], eps="5/4")),
        RandomTest(),
    ),
    expected=Verdict.PROVED,
    remark=(
        "No longer an identity: the slack is (1 - kappa) gamma^2 <g,yhat>^2/(m s^2) with "
        "kappa = sigma^2/s^2. The printed theorem omits eps; frameworks do not. "
        "The control subtracts the last term twice."
    ),
)
