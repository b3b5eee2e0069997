"""Curvature through the layer along any direction, not only along the gradient.

With ``K`` the Hessian of ``y -> L(z(y))``, the chain rule gives ``a'Kb`` for any two vectors; a
direction u is known by its inner products with 1, yhat and g.
"""

from itertools import combinations_with_replacement

import sympy as sp

from bnproof.theory.layer import batchnorm
from bnproof.theory.layer.batchnorm import project
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space, Vector
from bnproof.theory.symbols import eps, g1, gamma, gg, gy, latex, m, s, sigma, symbol, text, vv

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
ordered = symbol(
    "(g'Hg - v'Hv)", r"(g^\top H g - v^\top H v)", "what the Hessian along g has over that along v"
)
relative = symbol(
    "(|v|^2 g'Hg - |g|^2 v'Hv)",
    r"(\|v\|^2\,g^\top H g - \|g\|^2\,v^\top H v)",
    "|g|^2 |v|^2 times: curvature at z along g less that along v, for unit vectors",
)
gz = symbol(
    "<g,gamma yhat>", r"\langle g, \gamma\hat y\rangle", "gradient at z against the layer's output"
)
shrink = symbol(
    "(sigma^2 - gamma^2)", r"(\sigma^2 - \gamma^2)", "by how much sigma exceeds |gamma|"
)

# A direction u.
u1 = symbol("<1,u>", r"\langle \mathbf{1}, u\rangle", "sum of u")
uy = symbol("<u,yhat>", r"\langle u, \hat y\rangle", "u against yhat")
uu = symbol("|u|^2", r"\|u\|^2", "squared norm of u", nonnegative=True)
uKu = symbol("u'Ku", r"u^\top K u", "Hessian of y -> L(z(y)) along u")
gPu = symbol("<g,Pu>", r"\langle g, Pu\rangle", "g against Pu")
Pu2 = symbol("u'Pu", r"u^\top P u", "u against Pu; |Pu|^2 at eps = 0", positive=True)
Qu2 = symbol("|Qu|^2", r"\|Qu\|^2", "squared length of u across 1 and yhat", positive=True)
QgQu = symbol("<Qg,Qu>", r"\langle Qg, Qu\rangle", "g against u, both across 1 and yhat")
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
    "lambda_max(Hess_w)", r"\lambda_{\max}(\nabla^2_w\hat{\mathcal L})", "of the weight Hessian"
)
opX = symbol("|X|^2", r"\|X\|^2", "squared spectral norm of the inputs", nonnegative=True)
Xu2 = symbol("|Xu|^2", r"\|Xu\|^2", "squared norm of Xu", nonnegative=True)
XuKXu = symbol("(Xu)'K(Xu)", r"(Xu)^\top K (Xu)", "K along Xu")
# What definitions and the Cauchy-Schwarz inequality say to be non-negative.
below_H = symbol(
    "(lambda_max(H)|Pu|^2 - (Pu)'H(Pu))",
    r"\big(\lambda_{\max}(H)\|Pu\|^2 - (Pu)^\top H(Pu)\big)",
    "non-negative by the definition of the largest eigenvalue",
    nonnegative=True,
)
below_K = symbol(
    "(lambda_max(K)|Xu|^2 - (Xu)'K(Xu))",
    r"\big(\lambda_{\max}(K)\|Xu\|^2 - (Xu)^\top K(Xu)\big)",
    "non-negative by the definition of the largest eigenvalue",
    nonnegative=True,
)
below_X = symbol(
    "(|X|^2 - |Xu|^2)",
    r"\big(\|X\|^2 - \|Xu\|^2\big)",
    "non-negative for |u| = 1 by the definition of the spectral norm",
    nonnegative=True,
)
gram_det = symbol(
    "(|Qg|^2|Qu|^2 - <Qg,Qu>^2)",
    r"\big(\|Qg\|^2\|Qu\|^2 - \langle Qg,Qu\rangle^2\big)",
    "Gram determinant of the parts of g and u orthogonal to 1 and yhat: Cauchy-Schwarz",
    nonnegative=True,
)

_NAMES = ("1", "yhat", "g", "u")
SPACE = Space(
    batchnorm.LOSS.gram
    | {("1", "u"): u1, ("yhat", "u"): uy, ("u", "u"): uu}
    | {("g", "u"): sp.Symbol("<g,u>", real=True)},
    form={
        (a, b): sp.Symbol(f"H({a},{b})", real=True)
        for a, b in combinations_with_replacement(_NAMES, 2)
    },
)
ONE, YHAT, G, U = (SPACE.vector(name) for name in ("1", "yhat", "g", "u"))
KAPPA = 1 - eps / s**2


def bilinear(a: Vector, b: Vector) -> sp.Expr:
    """``a'Kb`` by the chain rule, from derivatives of the layer's definition."""
    own = batchnorm.first_along(a).through(batchnorm.first_along(b))
    return gamma**2 * own + gamma * G.dot(batchnorm.second_along(a, b))


def _directions(d: Derivation) -> dict[sp.Symbol, sp.Expr]:
    d.given(
        "Chain rule for two directions",
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
    Pu = project(U)
    return {gPu: G.dot(Pu), Pu2: U.dot(Pu), PuHPu: Pu.through(Pu)}


def eigenvector_steps(d: Derivation) -> None:
    """At eps = 0: what ``Ku = mu u`` says of a unit eigenvector, and the bound that follows."""
    batchnorm.gradient_steps(d)
    batchnorm.second_step(d)
    symbols = _directions(d)
    across, along = -gamma / s**2 * gPu, -gamma / (m * s**2) * (uy * gPu + gy * Pu2)
    along += gamma**2 / s**2 * PuHPu
    for words, name, left, right in (
        (
            "At eps = 0, P yhat = 0: between yhat and u",
            (r"\hat y^\top K u", "yhat'Ku"),
            YHAT,
            across,
        ),
        ("and between Pu and u", (r"(Pu)^\top K u", "(Pu)'Ku"), project(U), along),
    ):
        d.equal(
            words,
            name,
            bilinear(left, U).subs(eps, 0),
            right.subs(symbols).subs(eps, 0),
            shown=right.subs(s, sigma),
        )
    d.given(
        "Let u be a unit eigenvector to lambda = lambda_max(K) > 0 (for lambda = 0 or gamma = 0 "
        "there is nothing to show). Then <1,u> = 0, and the two lines above equal lambda <u,yhat> "
        "and lambda u'Pu. The first gives <u,yhat>",
        r"\lambda\,\langle u,\hat y\rangle = -\tfrac{\gamma}{\sigma^2}\langle g,Pu\rangle",
        "lambda <u,yhat> = -(gamma/sigma^2) <g,Pu>",
    )
    there = -gamma * gPu / (s**2 * lamK)
    bent = (lamK * Pu2 + gamma / (m * s**2) * (there * gPu + gy * Pu2)) * s**2 / gamma**2
    (solved,) = sp.solve(along.subs(uy, there) - lamK * Pu2, PuHPu)
    d.equal(
        "The second, with that put in, gives the curvature at z along Pu",
        (latex(PuHPu), text(PuHPu)),
        solved,
        bent,
        shown=bent.subs(s, sigma),
    )
    d.given(
        "By definition of the largest eigenvalue and by Cauchy-Schwarz, with Q = P at eps = 0, "
        "two symbols are not negative",
        r"\lambda_{\max}(H)\,\|Pu\|^2 - (Pu)^\top H(Pu) \ge 0,\quad "
        r"\|Pg\|^2\|Pu\|^2 - \langle g,Pu\rangle^2 \ge 0,\quad \|Pu\|^2 = u^\top P u",
        "lambda_max(H)|Pu|^2 - (Pu)'H(Pu) >= 0, |Pg|^2 |Pu|^2 - <g,Pu>^2 >= 0, |Pu|^2 = u'Pu",
    )
    d.value(
        lamH,
        "The first, solved for lambda_max(H), with the curvature at z put in",
        (solved + below_H) / Pu2,
        (bent + below_H) / Pu2,
        shown=(PuHPu + below_H) / Pu2,
    )
    Pg = project(G)
    d.equal(
        "The gradient at y is (gamma/sigma) Pg",
        (latex(vv), text(vv)),
        d.values[vv].subs(eps, 0),
        (gamma**2 / s**2 * Pg.dot(Pg)).subs(eps, 0),
    )
    square = (gram_det + gPu**2) / Pu2
    d.value(
        vv,
        "The second, solved for |Pg|^2 and put in",
        gamma**2 / s**2 * square,
        square * gamma**2 / s**2,
        shown=square * gamma**2 / sigma**2,
    )


def form_steps(d: Derivation) -> None:
    """Derive ``u'Ku`` for any u and every eps, split into its parts along yhat and across."""
    batchnorm.define(d)
    batchnorm.second_step(d)
    symbols = _directions(d)
    whole = gamma**2 / s**2 * PuHPu - gamma / (m * s**2) * (2 * uy * gPu + gy * Pu2)
    d.value(uKu, "Along u itself", bilinear(U, U), whole.subs(symbols), shown=whole)
    parallel, across = uy**2 / (m * KAPPA), uu - u1**2 / m - uy**2 / (m * KAPPA)
    d.equal(
        "P shrinks the part of u along yhat by 1 - kappa = eps/s^2 and keeps that across",
        (r"\|Pu\|^2", "|Pu|^2"),
        project(U).dot(project(U)),
        (1 - KAPPA) ** 2 * parallel + across,
    )
    Qg, Qu = across_part(G), across_part(U)
    d.given(
        "Let Q be the projector across 1 and yhat. By definition of the largest eigenvalue and by "
        "Cauchy-Schwarz two symbols are not negative (take Qu not 0; else all terms with it are 0)",
        r"\lambda_{\max}(H)\|Pu\|^2 - (Pu)^\top H(Pu) \ge 0,\quad "
        r"\|Qg\|^2\|Qu\|^2 - \langle Qg,Qu\rangle^2 \ge 0",
        "lambda_max(H)|Pu|^2 - (Pu)'H(Pu) >= 0, |Qg|^2 |Qu|^2 - <Qg,Qu>^2 >= 0",
    )
    known = {QgQu: Qg.dot(Qu), Qu2: Qu.dot(Qu)}
    forms = {
        gPu: QgQu + (1 - KAPPA) * uy * gy / (m * KAPPA),
        Pu2: Qu2 + (1 - KAPPA) * parallel,
        uu: Qu2 + parallel + u1**2 / m,
    }
    words = ("Split g and u along yhat and across", "Likewise", "and")
    for word, (part, form) in zip(words, forms.items(), strict=True):
        d.equal(
            word,
            (latex(part), text(part)),
            symbols.get(part, uu),
            form.subs(known),
            shown=form,
        )
    size = (1 - KAPPA) ** 2 * parallel + Qu2
    # The two inequalities, solved for (Pu)'H(Pu) and for |Qg|^2, which gives |g|^2.
    rules = forms | {PuHPu: lamH * size - below_H}
    d.values = {
        uKu: whole.subs(rules),
        uu: forms[uu],
        gg: g1**2 / m + gy**2 / (m * KAPPA) + (gram_det + QgQu**2) / Qu2,
    }


def across_part(a: Vector) -> Vector:
    """The part of a orthogonal to 1 and yhat."""
    return a - ONE * (ONE.dot(a) / m) - YHAT * (YHAT.dot(a) / (m * KAPPA))
