"""Theorem 4.2 with eps > 0, as every framework computes the layer."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import REGULAR, gamma, gy, m, s, vHv, vKv, vv


def prove() -> DerivationResult:
    """Derive the form that is exact for every eps, for symbolic m."""
    d = Derivation()
    batchnorm.curvature_steps(d)
    return d.finish()


CLAIM = Claim(
    id="santurkar_4_2_eps",
    title="The curvature bound of Theorem 4.2 with s = sqrt(sigma^2 + eps) for sigma, eps > 0.",
    sources=(Source("derived", "Theorem 4.2 of A18 for the layer of frameworks, eps > 0"),),
    statement=(
        r"v^\top K v \le \frac{\gamma^2}{\sigma^2+\varepsilon}v^\top H v"
        r" - \frac{\gamma}{m(\sigma^2+\varepsilon)}\langle g,\hat y\rangle\|v\|^2"
    ),
    relation=sp.Le(vKv, gamma**2 / s**2 * vHv - gamma / (m * s**2) * gy * vv),
    domain=REGULAR,
    control=sp.Eq(vKv, batchnorm.EXACT_CURVATURE),
    checks=(
        Counterexample.of(y=[-1, 1], b=[0, -1], eps="5/4"),
        Proof(prove, of_control=True),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "Violated in both directions on random networks: with eps > 0, Pv is not v and <v,yhat> "
        "is not 0. The control is the exact form, with Pv for v and a term in <v,yhat>; it is "
        "proved here."
    ),
)
