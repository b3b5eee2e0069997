"""Curvature through the layer along any direction, not only along the gradient.

With ``K`` the Hessian of ``y -> L(z(y))``, the chain rule gives ``a'Kb`` for any two vectors.  A
direction u is given by its inner products with 1, yhat and g.
"""

from itertools import combinations_with_replacement

import sympy as sp

from bnproof.theory.layer import batchnorm
from bnproof.theory.layer.batchnorm import project
from bnproof.theory.proving import lemmas
from bnproof.theory.proving.certificate import Certificate, Term
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space, Vector
from bnproof.theory.symbols import (
    IDEAL,
    derived,
    eps,
    gamma,
    gg,
    gy,
    latex,
    m,
    s,
    sigma,
    symbol,
    text,
    vHv,
    vv,
)

gHg = symbol("g'Hg", r"g^\top H g", "Hessian at z along g")
qKq = symbol(
    "q'Kq",
    r"(\nabla_{\hat y}L)^\top K\,(\nabla_{\hat y}L)",
    "Hessian of y -> L(z(y)) along q, the gradient with respect to yhat",
)
qq = symbol(
    "|q|^2",
    r"\|\nabla_{\hat y}L\|^2",
    "squared norm of q, the gradient with respect to yhat",
    nonnegative=True,
)
ordered = derived(
    "(g'Hg - v'Hv)",
    r"(g^\top H g - v^\top H v)",
    "Hessian at z along g less that along v",
    gHg - vHv,
)
relative = derived(
    "(|v|^2 g'Hg - |g|^2 v'Hv)",
    r"(\|v\|^2\,g^\top H g - \|g\|^2\,v^\top H v)",
    "curvature at z along g/|g| less that along v/|v|, times |g|^2 |v|^2",
    gHg * vv - vHv * gg,
)
gz = derived(
    "<g,gamma yhat>",
    r"\langle g, \gamma\hat y\rangle",
    "gradient at z against the layer's output",
    gamma * gy,
)
shrink = derived(
    "(sigma^2 - gamma^2)",
    r"(\sigma^2 - \gamma^2)",
    "by how much sigma exceeds |gamma|",
    sigma**2 - gamma**2,
)

# A direction u.
u1 = symbol("<1,u>", r"\langle \mathbf{1}, u\rangle", "sum of u")
uy = symbol("<u,yhat>", r"\langle u, \hat y\rangle", "u against yhat")
uu = symbol("|u|^2", r"\|u\|^2", "squared norm of u", nonnegative=True)
gu = symbol("<g,u>", r"\langle g, u\rangle", "gradient at z against u")
uKu = symbol("u'Ku", r"u^\top K u", "Hessian of y -> L(z(y)) along u")
PuHPu = symbol("(Pu)'H(Pu)", r"(Pu)^\top H (Pu)", "Hessian at z along Pu")
tau = symbol("tau", r"\tau", "any positive number", positive=True)
lamK = symbol(
    "lambda_max(K)",
    r"\lambda_{\max}(K)",
    "largest eigenvalue of K, the Hessian of y -> L(z(y)); not negative, for K1 = 0",
    nonnegative=True,
)
lamH = symbol("lambda_max(H)", r"\lambda_{\max}(H)", "largest eigenvalue of the Hessian at z")
lamW = symbol(
    "lambda_max(Hess_w)",
    r"\lambda_{\max}(\nabla^2_w\hat{\mathcal L})",
    "largest eigenvalue of the weight Hessian",
)
opX = symbol("|X|^2", r"\|X\|^2", "squared spectral norm of the inputs", nonnegative=True)
# The unit top eigenvectors: x of the weight Hessian, and e of K, with its part across 1 and yhat.
Xx2 = symbol("|Xx|^2", r"\|Xx\|^2", "squared norm of Xx", nonnegative=True)
XxKXx = symbol("(Xx)'K(Xx)", r"(Xx)^\top K (Xx)", "K along Xx")
Qe2 = symbol(
    "|Qe|^2",
    r"\|Qe\|^2",
    "squared length across 1 and yhat of the unit top eigenvector e of K",
    nonnegative=True,
)
QgQe = symbol("<Qg,Qe>", r"\langle Qg, Qe\rangle", "g against e, both across 1 and yhat")
QeHQe = symbol("(Qe)'H(Qe)", r"(Qe)^\top H (Qe)", "Hessian at z along Qe")

_NAMES = ("1", "yhat", "g", "u")
SPACE = Space(
    batchnorm.LOSS.gram | {("1", "u"): u1, ("yhat", "u"): uy, ("u", "u"): uu} | {("g", "u"): gu},
    form={
        (a, b): sp.Symbol(f"H({a},{b})", real=True)
        for a, b in combinations_with_replacement(_NAMES, 2)
    },
)
ONE, YHAT, G, U = (SPACE.vector(name) for name in ("1", "yhat", "g", "u"))
KAPPA = 1 - eps / s**2
gPu, Pu2 = (part.dot(project(U)) for part in (G, U))


def across_part(a: Vector) -> Vector:
    """The part of a orthogonal to 1 and yhat."""
    return a - ONE * (ONE.dot(a) / m) - YHAT * (YHAT.dot(a) / (m * KAPPA))


Qg, Qu = across_part(G), across_part(U)
TOP_H = lemmas.extreme(
    "(Pu)'H(Pu) is at most lambda_max(H) |Pu|^2", lamH * project(U).dot(project(U)) - PuHPu
)
TOP_H_ACROSS = lemmas.extreme("(Qe)'H(Qe) is at most lambda_max(H) |Qe|^2", lamH * Qe2 - QeHQe)
TOP_K = lemmas.extreme("(Xx)'K(Xx) is at most lambda_max(K) |Xx|^2", lamK * Xx2 - XxKXx)
NORM_X = lemmas.extreme("|Xx|^2 is at most |X|^2 for a unit vector x", opX - Xx2)
ACROSS = lemmas.gram(
    "Cauchy-Schwarz for Qg and Qu",
    ("Qg", "Qu"),
    {("Qg", "Qg"): Qg.dot(Qg), ("Qu", "Qu"): Qu.dot(Qu), ("Qg", "Qu"): Qg.dot(Qu)},
)
ACROSS_TOP = lemmas.gram(
    "Cauchy-Schwarz for Qg and Qe",
    ("Qg", "Qe"),
    {("Qg", "Qg"): Qg.dot(Qg), ("Qe", "Qe"): Qe2, ("Qg", "Qe"): QgQe},
)
# At eps = 0 a unit eigenvector e of K to lambda > 0 is orthogonal to 1 (K1 = 0), and its part along
# yhat is ALONG_YHAT: so |Qe|^2 is 1 less the square of that part.  It is not 0 by Cauchy-Schwarz.
ALONG_YHAT = -gamma * QgQe / (s**2 * lamK)
UNIT = 1 - ALONG_YHAT**2 / m
AT_ZERO = (gamma**2 / s**2 * Qg.dot(Qg)).subs(eps, 0)
lemmas.positive(
    Qe2,
    Certificate(
        sp.Le(1, Qe2 * (1 + vv / (m * sigma**2 * lamK**2))),
        sp.And(IDEAL, sp.Gt(lamK, 0)),
        {Qe2: UNIT, vv: AT_ZERO},
        (Term(gamma**2 / (m * sigma**4 * lamK**2), "a square", ACROSS_TOP.name),),
    ),
)


def bilinear(a: Vector, b: Vector) -> sp.Expr:
    """``a'Kb`` by the chain rule, from derivatives of the layer's definition."""
    own = batchnorm.first_along(a).through(batchnorm.first_along(b))
    return gamma**2 * own + gamma * G.dot(batchnorm.second_along(a, b))


def _directions(d: Derivation) -> None:
    batchnorm.chain_step(d)
    d.define(
        "K is the Hessian of y -> L(z(y)); for two directions a and b that line is a'Kb",
        r"a^\top K b = \gamma^2\, D\hat y[a]^\top H\, D\hat y[b]"
        r" + \gamma\,\langle g, D^2\hat y[a,b]\rangle",
        "a'Kb = gamma^2 (D yhat[a])' H (D yhat[b]) + gamma <g, D2 yhat[a,b]>",
    )
    d.equal(
        "The layer does not see a shift of y: K1 = 0, so 0 is an eigenvalue",
        (r"u^\top K\mathbf{1}", "u'K1"),
        bilinear(ONE, U),
        sp.Integer(0),
    )


def eigenvector_steps(d: Derivation) -> None:
    """At eps = 0, derive the curvature at z along Qe from the equations of an eigenvector e of K.

    Also derives |v|^2 there.
    """
    batchnorm.gradient_steps(d)
    batchnorm.second_step(d)
    _directions(d)
    own = project(U).through(project(U))
    along = gamma**2 / s**2 * own - gamma / (m * s**2) * (uy * gPu + gy * Pu2)
    for words, name, left, right in (
        (
            "At eps = 0, P yhat = 0: between yhat and u",
            (r"\hat y^\top K u", "yhat'Ku"),
            YHAT,
            -gamma / s**2 * gPu,
        ),
        ("and between Pu and u", (r"(Pu)^\top K u", "(Pu)'Ku"), project(U), along),
    ):
        d.equal(words, name, bilinear(left, U).subs(eps, 0), right.subs(eps, 0))
    d.define(
        "Let e be the unit eigenvector to lambda = lambda_max(K) > 0; at eps = 0, Q = P",
        r"a^\top K e = \lambda\,\langle a,e\rangle\ \text{for every } a",
        "a'Ke = lambda <a,e> for every a",
    )
    d.equal(
        "At eps = 0, P is a projector, so that <Pu,u> = |Pu|^2",
        (r"\langle Pu,u\rangle - \|Pu\|^2", "<Pu,u> - |Pu|^2"),
        sp.expand((project(U).dot(U) - project(U).dot(project(U))).subs(eps, 0)),
        sp.Integer(0),
    )
    # The two lines above with e for u: the inner products of Pu become those of Qe.
    called = {gPu: QgQe, Pu2: Qe2, own: QeHQe}
    (there,) = sp.solve(lamK * uy + gamma / s**2 * called[gPu], uy)
    d.equal(
        "The line for yhat is lambda <e,yhat>, so that",
        (r"\langle e,\hat y\rangle", "<e,yhat>"),
        there,
        ALONG_YHAT,
        shown=-gamma * QgQe / (sigma**2 * lamK),
    )
    d.value(
        Qe2,
        "e is a unit vector, and orthogonal to 1, as K1 = 0. By Cauchy-Schwarz for Qg and Qe it "
        "follows that |Qe|^2 (1 + |v|^2/(m sigma^2 lambda^2)) >= 1, so Qe is not 0",
        project(U).dot(project(U)).subs({eps: 0, uu: 1, u1: 0, uy: there}),
        UNIT,
    )
    bend = there * called[gPu] + gy * called[Pu2]
    second = gamma**2 / s**2 * called[own] - gamma / (m * s**2) * bend
    (solved,) = sp.solve(second - lamK * Qe2, QeHQe)
    bent = (lamK * Qe2 + gamma / (m * s**2) * (there * QgQe + gy * Qe2)) * s**2 / gamma**2
    d.value(
        QeHQe,
        "That for Pu is lambda |Qe|^2; it gives the curvature at z along Qe",
        solved,
        bent,
        shown=bent.subs(s, sigma),
    )
    Pg = project(G)
    d.value(
        vv,
        "The gradient at y is (gamma/sigma) Pg",
        d.values[vv].subs(eps, 0),
        (gamma**2 / s**2 * Pg.dot(Pg)).subs(eps, 0),
    )


def form_steps(d: Derivation) -> None:
    """Derive ``u'Ku`` for any u and eps, with u split along yhat and orthogonal to it."""
    batchnorm.define(d)
    batchnorm.second_step(d)
    _directions(d)
    rest = -gamma / (m * s**2) * (2 * uy * gPu + gy * Pu2)
    d.equal(
        "Along u itself",
        (latex(uKu), text(uKu)),
        bilinear(U, U),
        gamma**2 / s**2 * project(U).through(project(U)) + rest,
        shown=gamma**2 / s**2 * PuHPu + rest,
    )
    d.value(uKu, "", gamma**2 / s**2 * PuHPu + rest)
    parallel, across = uy**2 / (m * KAPPA), uu - u1**2 / m - uy**2 / (m * KAPPA)
    d.equal(
        "P shrinks the part of u along yhat by 1 - kappa = eps/s^2 and keeps that across",
        (r"\|Pu\|^2", "|Pu|^2"),
        project(U).dot(project(U)),
        (1 - KAPPA) ** 2 * parallel + across,
    )
    d.define(
        "Q projects across 1 and yhat. H at most lambda_max(H) along Pu, and Cauchy-Schwarz for "
        "Qg and Qu, are the lemmas of the slack",
        r"Qa = a - \tfrac{\langle\mathbf{1},a\rangle}{m}\mathbf{1}"
        r" - \tfrac{\langle\hat y,a\rangle}{m\kappa}\hat y",
        "Qa = a - <1,a>/m 1 - <yhat,a>/(m kappa) yhat",
    )
    d.equal(
        "The square of what Q leaves of u",
        (r"\|Qu\|^2", "|Qu|^2"),
        Qu.dot(Qu),
        across,
    )


def weight_steps(d: Derivation) -> None:
    """Derive the largest eigenvalue of the weight Hessian of one unit, y = Xw, from K."""
    batchnorm.define(d)
    batchnorm.second_step(d)
    _directions(d)
    t = sp.Symbol("t", real=True)
    along = Space({("a", "v"): sp.Symbol("<v,a>", real=True)}, {("a", "a"): XxKXx})
    a, v = (Vector(along, {name: sp.Integer(1)}) for name in ("a", "v"))
    d.define(
        "y = Xw, so that w + tx moves y along a = Xx; let x be the unit top eigenvector of the "
        "weight Hessian, and v and K gradient and Hessian at y",
        r"\hat{\mathcal L}(w+tx) = \hat{\mathcal L}(w) + t\langle v,a\rangle"
        r" + \tfrac12 t^2 a^\top K a + o(t^2),\quad a = Xx",
        "Lhat(w + tx) = Lhat(w) + t <v,a> + t^2 a'Ka/2 + o(t^2), a = Xx",
    )
    move = a * t
    d.value(
        lamW,
        "The largest eigenvalue is the second derivative along x. That K and X at most stretch "
        "by lambda_max(K) and |X| are the lemmas of the slack",
        sp.diff(v.dot(move) + move.through(move) / 2, t, 2).subs(t, 0),
        XxKXx,
    )
