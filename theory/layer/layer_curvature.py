"""Curvature in all weights of a layer: units j = 1..n with weights w_j and one input X.

A direction is ``U = (u_1, ..., u_n)`` with ``|U|^2 = sum |u_j|^2``; it moves unit j's activations
along ``a_j = X u_j``.  H is the Hessian of the loss at z = (z_1, ..., z_n), coupling included.
"""

import sympy as sp

from bnproof.theory.layer import batchnorm, curvature
from bnproof.theory.layer.batchnorm import first_along
from bnproof.theory.layer.curvature import SPACE, U, bilinear, opX
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.symbols import gamma, symbol

lamW = symbol(
    "lambda_max(Hess_W)",
    r"\lambda_{\max}(\nabla^2_W\hat{\mathcal L})",
    "largest eigenvalue of the Hessian in all weights of the layer",
)
h = symbol("h", "h", "largest eigenvalue of H, the Hessian at z of all units together")
lamU = symbol(
    "max_j lambda_max(K_j(h))",
    r"\max_j\lambda_{\max}(K_j(h))",
    "largest, over the units, top eigenvalue of K_j with h I for the Hessian at z_j",
    nonnegative=True,
)
below_H = symbol(
    "(h|q|^2 - q'Hq)",
    r"\big(h\|q\|^2 - q^\top H q\big)",
    "non-negative by the definition of the largest eigenvalue, q the change of z",
    nonnegative=True,
)
below_K = symbol(
    "(max_j lambda_max(K_j(h)) |a|^2 - sum_j a_j'K_j(h)a_j)",
    r"\big(\max_j\lambda_{\max}(K_j(h))\|a\|^2 - \textstyle\sum_j a_j^\top K_j(h)a_j\big)",
    "non-negative by the definition of the largest eigenvalues",
    nonnegative=True,
)
below_X = symbol(
    "(|X|^2 - |XU|^2)",
    r"\big(\|X\|^2 - \|XU\|^2\big)",
    "non-negative for |U| = 1 by the definition of the spectral norm",
    nonnegative=True,
)
_moved = sp.Symbol("|XU|^2", nonnegative=True)
_units = sp.Symbol("sum_j a_j'K_j(h)a_j", real=True)


def steps(d: Derivation) -> None:
    """Derive lambda_max(Hess_W) from three definitions, unit by unit."""
    batchnorm.define(d)
    batchnorm.second_step(d)
    d.given(
        "Chain rule along U: unit j's activations move along a_j = X u_j, z along q",
        r"U^\top\nabla^2_W\hat{\mathcal L}\,U = q^\top H q"
        r" + \sum_j\gamma_j\langle g_j, D^2\hat y_j[a_j,a_j]\rangle,\quad"
        r" q_j = \gamma_j D\hat y_j[a_j]",
        "U'Hess_W U = q'Hq + sum_j gamma_j <g_j, D2 yhat_j[a_j,a_j]>, q_j = gamma_j D yhat_j[a_j]",
    )
    d.given(
        "Units meet only in H. By definition of its largest eigenvalue h",
        r"q^\top H q \le h\|q\|^2 = \sum_j h\,\gamma_j^2\|D\hat y_j[a_j]\|^2",
        "q'Hq <= h |q|^2 = sum_j h gamma_j^2 |D yhat_j[a_j]|^2",
    )
    form = {symbol: h * SPACE.gram[pair] for pair, symbol in SPACE.form.items()}
    pushed = first_along(U)
    d.equal(
        "What is left of a unit is its own curvature K_j(h), with h I for the Hessian at z_j",
        (r"a^\top K_j(h)\,a", "a'K_j(h)a"),
        bilinear(U, U).subs(form),
        h * gamma**2 * pushed.dot(pushed) + gamma * curvature.G.dot(batchnorm.second_along(U, U)),
        shown=sp.Symbol("h gamma^2 |D yhat[a]|^2 + gamma <g, D2 yhat[a,a]>"),
    )
    d.equal(
        "A unit does not see a shift of y: K_j(h) 1 = 0, so its top eigenvalue is not negative",
        (r"a^\top K_j(h)\mathbf{1}", "a'K_j(h)1"),
        bilinear(curvature.ONE, U).subs(form),
        sp.Integer(0),
    )
    d.given(
        "Let U be the unit top eigenvector. Two more definitions say",
        r"\sum_j a_j^\top K_j(h)a_j \le \max_j\lambda_{\max}(K_j(h))\,\|a\|^2,\quad"
        r" \|a\|^2 = \|XU\|^2 \le \|X\|^2",
        "sum_j a_j'K_j(h)a_j <= max_j lambda_max(K_j(h)) |a|^2, |a|^2 = |XU|^2 <= |X|^2",
    )
    room = {_units: lamU * _moved - below_K}
    d.value(
        lamW,
        "With what each leaves over",
        (_units - below_H).subs(room).subs(_moved, opX - below_X),
        lamU * opX - lamU * below_X - below_K - below_H,
    )
