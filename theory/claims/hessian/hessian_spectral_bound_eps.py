"""Curvature along any direction, for every eps."""

from collections.abc import Mapping
from fractions import Fraction

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.exact.curvature import top_eigenvalues
from bnproof.theory.layer import curvature
from bnproof.theory.layer.curvature import (
    ACROSS,
    TOP_H,
    Qg,
    Qu,
    lamH,
    tau,
    u1,
    uKu,
    uu,
    uy,
)
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import eps, g1, gamma, gg, gy, m, s, sigma

KAPPA = sigma**2 / s**2
SHARE = eps / s**2
ALONG = SHARE / s**2 * (gamma**2 * lamH * SHARE - 3 * gamma * gy / m)
ALL_ACROSS = (gamma**2 * lamH - gamma * gy / m) / s**2
CROSS = gamma**2 * KAPPA / (m * s**4) * (gg - g1**2 / m - gy**2 / (m * KAPPA))
PARALLEL = uy**2 / (m * KAPPA)
REST = uu - u1**2 / m - PARALLEL

CASE = Counterexample.of(
    y=[1, 1, -1, -1],
    b=[0, -2, 1, 1],
    A=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
)
DIRECTION = tuple(map(Fraction, (0, -2, 1, 1)))


def balanced() -> Mapping[sp.Symbol, sp.Expr]:
    """A direction in the plane of yhat and Qg, with the tau that balances its two parts."""
    hats, path = exact.layer(exact.line(CASE.y, DIRECTION), CASE)
    return exact.measure(CASE) | {
        uKu: sp.Rational(2 * exact.loss(path, CASE).c),
        uu: sp.Rational(sum(entry * entry for entry in DIRECTION)),
        uy: sp.Rational(sum(u * hat.a for u, hat in zip(DIRECTION, hats, strict=True))),
        u1: sp.Rational(sum(DIRECTION)),
        lamH: top_eigenvalues(CASE)[lamH],
        tau: sp.Rational(1, 2),
    }


def prove() -> DerivationResult:
    """Split u along yhat and across; the cross term is bounded by a square with a free weight."""
    d = Derivation()
    curvature.form_steps(d)
    return d.finish(
        [
            Term(gamma**2 / s**2, "a square", TOP_H.name),
            Term(
                tau / (m * KAPPA) * (uy + gamma * KAPPA / (s**2 * tau) * Qg.dot(Qu)) ** 2,
                "a square times tau/(m kappa)",
            ),
            Term(gamma**2 * KAPPA / (m * s**4 * tau), "a square", ACROSS.name),
        ]
    )


CLAIM = Claim(
    id="hessian_spectral_bound_eps",
    title="For every eps the curvature along any direction is bounded by two explicit weights.",
    sources=(Source("derived", "hessian_spectral_bound for the layer of frameworks, eps >= 0"),),
    statement=(
        r"u^\top K u \le (A + \tau)\,\tfrac{\langle u,\hat y\rangle^2}{m\kappa}"
        r" + (B + \tfrac{C}{\tau})\,\|Qu\|^2\text{ for every } \tau > 0\text{, so }"
        r"\lambda_{\max}(K) \le \max\big(0, \tfrac{A+B}{2} + \sqrt{\tfrac{(A-B)^2}{4} + C}\big)"
        r"\text{ with }"
        r"A = \tfrac{1-\kappa}{s^2}\big((1-\kappa)\gamma^2\lambda_{\max}(H) - "
        r"\tfrac{3\gamma}{m}\langle g,\hat y\rangle\big),\ "
        r"B = \tfrac{1}{s^2}\big(\gamma^2\lambda_{\max}(H) - "
        r"\tfrac{\gamma}{m}\langle g,\hat y\rangle\big),\ "
        r"C = \tfrac{\gamma^2\kappa}{m s^4}\|Qg\|^2"
    ),
    relation=sp.Le(uKu, (ALONG + tau) * PARALLEL + (ALL_ACROSS + CROSS / tau) * REST),
    control=sp.Le(uKu, ALONG * PARALLEL + ALL_ACROSS * REST),
    checks=(
        Proof(
            prove,
            attained=ExactCase(
                "L(z) = |z|^2/2 + b'z with b = (0, -2, 1, 1), y = (1, 1, -1, -1), eps = 0, "
                "gamma = 1, u = (0, -2, 1, 1), tau = 1/2",
                balanced,
            ),
        ),
        RandomTest(sizes=(2, 3, 8, 32), sampler="weights"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "kappa = sigma^2/s^2, and Q projects orthogonally to 1 and yhat. The relation is the first "
        "bound; the second is the first at the tau that makes both weights equal. At eps = 0, "
        "A = 0, which gives hessian_spectral_bound. With eps > 0 the part along yhat has its own "
        "curvature, with the factor 3 of the term that Theorem 4.2 omits. The control drops the "
        "cross term."
    ),
)
