"""Theorem 4.4 of Santurkar et al.: the worst weight gradient over a ball of inputs."""

from collections.abc import Mapping
from fractions import Fraction

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.layer import minimax
from bnproof.theory.layer.minimax import ghat, gstd, mu_g, radius
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import IDEAL, gamma, gy, m, sigma

PRINTED = gamma**2 / sigma**2 * (gstd**2 - m * mu_g**2 - radius**2 * gy**2)
CORRECTED = gamma**2 / sigma**2 * (gstd - radius**2 * m * mu_g**2 - radius**2 / m * gy**2)
CASE = Counterexample.of(y=[1, 1, -1, -1], b=[1, 0, 0, 0])


def reached() -> Mapping[sp.Symbol, sp.Expr]:
    """Exact symbols for lambda = 1: X = vv'/|v|^2 and X = gg'/|g|^2 have norm 1 and are maximal.

    The loss is linear, so its gradient at z is b; v is differentiated by power series.
    """
    basis = [[Fraction(int(i == j)) for j in range(4)] for i in range(4)]
    v = [exact.loss(exact.layer(exact.line(CASE.y, e), CASE)[1], CASE).b for e in basis]
    values = dict(exact.measure(CASE))
    for symbol, vector in ((ghat, v), (gstd, CASE.b)):
        column = sp.Matrix(vector)
        widest = column * column.T / column.dot(column)
        image = widest.T * column
        values[symbol] = image.dot(image)
    values |= {radius: sp.Integer(1), mu_g: sp.Rational(sum(CASE.b), 4)}
    return values


def prove() -> DerivationResult:
    """Both maxima for a fixed vector, and the gradient of Theorem 4.1 between them."""
    d = Derivation()
    minimax.maximum_steps(d)
    return d.finish()


CLAIM = Claim(
    id="santurkar_4_4",
    title="The worst weight gradient over |X| <= lambda is reduced by the layer, as printed.",
    statement=(
        r"g_j = \max_{\|X\|\le\lambda}\|\nabla_W\mathcal L\|^2,\ "
        r"\hat g_j = \max_{\|X\|\le\lambda}\|\nabla_W\hat{\mathcal L}\|^2\ \Rightarrow\ "
        r"\hat g_j \le \frac{\gamma^2}{\sigma_j^2}\Big(g_j^2 - m\mu_{g_j}^2 - \lambda^2"
        r"\langle\nabla_{y_j}\mathcal L, \hat y_j\rangle^2\Big)"
    ),
    relation=sp.Le(ghat, PRINTED),
    domain=IDEAL,
    control=sp.Eq(ghat, CORRECTED),
    checks=(
        ExactCase("L(z) = z_1, y = (1, 1, -1, -1), gamma = 1, lambda = 1", reached),
        Proof(prove, of_control=True),
        RandomTest(sizes=(4, 8, 64), sampler="weights"),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "The printed terms scale differently: g_j is already a squared norm and is squared "
        "again, the second term lacks lambda^2, the third 1/m, so the right side can even be "
        "negative. Read with g, yhat and sigma held fixed while X runs over the ball, as in the "
        "paper's proof. The control, an equation, is the corrected form: santurkar_4_4_fixed. "
        "With y = Xw substituted the maximum does not exist: santurkar_4_4_unbounded."
    ),
)
