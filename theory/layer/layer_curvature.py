"""Curvature in all weights of a layer: units j = 1..n with weights w_j and a common input X.

A direction ``U = (u_1, ..., u_n)`` with ``|U|^2 = sum |u_j|^2`` moves the activations of unit j
along ``a_j = X u_j``.  H is the Hessian of the loss at z = (z_1, ..., z_n), including the coupling
of the units.
"""

import sympy as sp

from bnproof.theory.layer import batchnorm, curvature
from bnproof.theory.layer.batchnorm import first_along
from bnproof.theory.layer.curvature import SPACE, U, bilinear, opX
from bnproof.theory.proving import lemmas
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
# Along the unit top eigenvector U.
moved = symbol("|XU|^2", r"\|XU\|^2", "squared norm of XU", nonnegative=True)
units = symbol(
    "sum_j a_j'K_j(h)a_j",
    r"\textstyle\sum_j a_j^\top K_j(h)a_j",
    "curvature of the units on their own, along a_j = X u_j",
)
change = symbol("|q|^2 of z", r"\|q\|^2", "squared change q of z along U", nonnegative=True)
bent = symbol("q'Hq", r"q^\top H q", "Hessian at z along the change q of z")
TOP_H = lemmas.extreme("q'Hq is at most h |q|^2", h * change - bent)
TOP_K = lemmas.extreme(
    "sum_j a_j'K_j(h)a_j is at most max_j lambda_max(K_j(h)) |XU|^2", lamU * moved - units
)
NORM_X = lemmas.extreme("|XU|^2 is at most |X|^2 for |U| = 1", opX - moved)


def steps(d: Derivation) -> None:
    """Derive lambda_max(Hess_W) from the definitions of three largest eigenvalues."""
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
        "What remains for each unit is its own curvature K_j(h), with h I for the Hessian at z_j",
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
    d.value(
        lamW,
        "Together, with what the first inequality leaves",
        bent + (units - h * change),
        units - (h * change - bent),
    )
