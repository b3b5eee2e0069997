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
from bnproof.theory.proving.gram import Space, Vector
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
_gq, _gc = (sp.Symbol(name, real=True) for name in ("<g,q>", "<g,c>"))
_count = sp.Symbol("n", integer=True, positive=True)
TOP_H = lemmas.extreme("q'Hq is at most h |q|^2", h * change - bent)
TOP_K = lemmas.extreme(
    "sum_j a_j'K_j(h)a_j is at most max_j lambda_max(K_j(h)) |XU|^2", lamU * moved - units
)
NORM_X = lemmas.extreme("|XU|^2 is at most |X|^2 for |U| = 1", opX - moved)


def steps(d: Derivation) -> None:
    """Derive lambda_max(Hess_W) from the definitions of three largest eigenvalues."""
    batchnorm.define(d)
    batchnorm.second_step(d)
    batchnorm.chain_step(d)
    joint = Space({("g", "q"): _gq, ("g", "c"): _gc}, {("q", "q"): bent})
    g, q, curve = (Vector(joint, {name: sp.Integer(1)}) for name in ("g", "q", "c"))
    t = sp.Symbol("t", real=True)
    move = q * t + curve * (t**2 / 2)
    loss = g.dot(move) + t**2 * q.through(q) / 2
    d.define(
        "Let H be the Hessian of the loss in all z_j together. Along U = (u_1, ..., u_n) unit j "
        "moves along a_j = X u_j, and z by t q + t^2 c/2 to second order",
        r"q_j = \gamma_j D\hat y_j[a_j],\quad c_j = \gamma_j D^2\hat y_j[a_j,a_j],\quad "
        r"\|q\|^2 = \sum_j\|q_j\|^2,\quad \langle g,c\rangle = \sum_j\langle g_j,c_j\rangle",
        "q_j = gamma_j D yhat_j[a_j], c_j = gamma_j D2 yhat_j[a_j,a_j], |q|^2 = sum_j |q_j|^2, "
        "<g,c> = sum_j <g_j,c_j>",
    )
    d.equal(
        "The chain rule along U",
        (r"U^\top\nabla^2_W\hat{\mathcal L}\,U", "U'Hess_W U"),
        sp.diff(loss, t, 2).subs(t, 0),
        bent + _gc,
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
    j = sp.Symbol("j", integer=True, positive=True)
    square, term = sp.IndexedBase("|q_j|^2"), sp.IndexedBase("<g_j,c_j>")
    every = (j, 1, _count)
    d.equal(
        "Summed over the units, these are",
        (r"\textstyle\sum_j a_j^\top K_j(h)a_j", "sum_j a_j'K_j(h)a_j"),
        sp.Sum(h * square[j] + term[j], every).expand(),
        h * sp.Sum(square[j], every) + sp.Sum(term[j], every),
        shown=h * change + _gc,
    )
    d.define(
        "Let U be the unit top eigenvector, so that lambda_max(Hess_W) = U'Hess_W U. The lemmas "
        "of the slack are what the largest eigenvalues and the spectral norm of X are",
        r"\lambda_{\max}(\nabla^2_W\hat{\mathcal L}) = U^\top\nabla^2_W\hat{\mathcal L}\,U,"
        r"\quad \|U\| = 1",
        "lambda_max(Hess_W) = U'Hess_W U, |U| = 1",
    )
    (rest,) = sp.solve(h * change + _gc - units, _gc)
    d.value(
        lamW,
        "In the chain rule along U, put what the sum over the units says of <g,c>",
        bent + rest,
        units - (h * change - bent),
    )
