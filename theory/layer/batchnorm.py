"""Derivatives of the batch-normalisation layer, and the gradient and curvature through it.

Everything is derived for a symbolic batch size m and symbolic eps, by differentiating the layer
along y + t h + r k.  This stays in the span of (1, yhat, h, k), whose Gram matrix determines mean
and variance.  Formulas for entries follow with the basis vectors e_i, e_l as directions.
The definition is that of Ioffe and Szegedy (arXiv:1502.03167), printed in S1, section 2.2.
"""

from functools import cache

import sympy as sp

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space, Vector
from bnproof.theory.symbols import (
    FORM,
    PvHPv,
    delta_il,
    delta_ki,
    delta_kl,
    eps,
    g1,
    gamma,
    gg,
    gh,
    gk,
    gPv,
    gy,
    h1,
    hh,
    hk,
    hy,
    k1,
    kk,
    ky,
    m,
    mu,
    s,
    vHv,
    vKv,
    vPv,
    vv,
    vy,
    yhat_i,
    yhat_k,
    yhat_l,
)

t, r = sp.symbols("t r", real=True)

_LAYER = {("1", "1"): m, ("1", "yhat"): 0, ("yhat", "yhat"): m * (s**2 - eps) / s**2}
LINE = Space(
    _LAYER
    | {("1", "h"): h1, ("yhat", "h"): hy, ("h", "h"): hh}
    | {("1", "k"): k1, ("yhat", "k"): ky, ("k", "k"): kk, ("h", "k"): hk}
    | {("1", "g"): g1, ("yhat", "g"): gy, ("g", "g"): gg, ("g", "h"): gh}
)
# Curvature along v, exact for every eps (derived in `curvature_steps`).
EXACT_CURVATURE = gamma**2 / s**2 * PvHPv - gamma / (m * s**2) * (2 * vy * gPv + gy * vPv)

_PAIRS = [("1", "1"), ("1", "yhat"), ("1", "g"), ("yhat", "yhat"), ("yhat", "g"), ("g", "g")]
LOSS = Space(
    _LAYER | {("1", "g"): g1, ("yhat", "g"): gy, ("g", "g"): gg},
    form={pair: FORM[pair] for pair in _PAIRS},
)

# The same plane y + t h + r k, with the gradient g and the Hessian H of the loss at z.
_PLANE = [("1", "1"), ("1", "yhat"), ("1", "h"), ("1", "k"), ("yhat", "yhat")]
_PLANE += [("yhat", "h"), ("yhat", "k"), ("h", "h"), ("h", "k"), ("k", "k")]
BENT = Space(LINE.gram | {("g", "k"): gk}, {pair: FORM[pair] for pair in _PLANE})


def mean(u: Vector) -> sp.Expr:
    """``<1,u>/m``."""
    return u.space.vector("1").dot(u) / m


def centre(u: Vector) -> Vector:
    """``u - mean(u) 1``."""
    return u - u.space.vector("1") * mean(u)


def variance(u: Vector) -> sp.Expr:
    """Biased variance ``|u - mean(u) 1|^2/m``."""
    return sp.expand(centre(u).dot(centre(u)) / m)


def normalise(u: Vector) -> Vector:
    """The layer before gamma and beta: ``(u - mean(u))/sqrt(variance(u) + eps)``."""
    return centre(u) / sp.sqrt(sp.factor(variance(u) + eps))


def activations(space: Space) -> Vector:
    """The layer's input ``y = mu 1 + s yhat``."""
    return space.vector("1") * mu + space.vector("yhat") * s


@cache
def first() -> Vector:
    """``D yhat[h]`` at y, by differentiating the definition along y + t h."""
    line = activations(LINE) + LINE.vector("h") * t
    return normalise(line).diff(t).at({t: 0})


@cache
def second() -> Vector:
    """Second directional derivative ``D2 yhat[h, k]`` at y."""
    plane = activations(LINE) + t * LINE.vector("h") + r * LINE.vector("k")
    return normalise(plane).diff(t, r).at({t: 0, r: 0})


def first_along(v: Vector) -> Vector:
    """``D yhat[v]`` for a vector of any space with basis vectors 1 and yhat."""
    ones, yhat = v.space.vector("1"), v.space.vector("yhat")
    inner = {h1: ones.dot(v), hy: yhat.dot(v), hh: v.dot(v)}
    general = first()
    parts = {name: general.coefficient(name).subs(inner) for name in ("1", "yhat", "h")}
    return ones * parts["1"] + yhat * parts["yhat"] + v * parts["h"]


def second_along(a: Vector, b: Vector) -> Vector:
    """``D2 yhat[a, b]`` for vectors of any space with basis vectors 1 and yhat."""
    ones, yhat = a.space.vector("1"), a.space.vector("yhat")
    inner = {h1: ones.dot(a), k1: ones.dot(b), hy: yhat.dot(a), ky: yhat.dot(b), hk: a.dot(b)}
    general = second()
    parts = {name: general.coefficient(name).subs(inner) for name in ("1", "yhat", "h", "k")}
    return ones * parts["1"] + yhat * parts["yhat"] + a * parts["h"] + b * parts["k"]


def project(u: Vector) -> Vector:
    """``Pu`` with ``P = I - 11'/m - yhat yhat'/m`` (a projector at eps = 0 only)."""
    yhat = u.space.vector("yhat")
    return centre(u) - yhat * (yhat.dot(u) / m)


def define(d: Derivation) -> None:
    """Start a derivation: define the layer and check that y = mu 1 + s yhat is sent to yhat."""
    d.define(
        "Definition of the layer, with biased batch moments",
        r"\mu = \tfrac1m\langle \mathbf{1}, y\rangle,\quad "
        r"\sigma^2 = \tfrac1m\|y - \mu\mathbf{1}\|^2,\quad s = \sqrt{\sigma^2+\varepsilon},\quad "
        r"\hat y = (y - \mu\mathbf{1})/s,\quad z = \gamma\hat y + \beta\mathbf{1}",
        "mu = <1,y>/m, sigma^2 = |y - mu 1|^2/m, s = sqrt(sigma^2 + eps), "
        "yhat = (y - mu 1)/s, z = gamma yhat + beta 1",
    )
    d.vectors(
        "The layer sends y = mu 1 + s yhat to yhat, for yhat centred with |yhat|^2 = m sigma^2/s^2",
        r"\mathrm{BN}(\mu\mathbf{1} + s\hat y) = \hat y",
        "BN(mu 1 + s yhat) = yhat",
        normalise(activations(LINE)),
        LINE.vector("yhat"),
    )


def jacobian_steps(d: Derivation) -> None:
    """Derive ``D yhat[h]`` and check it against ``Ph/s``."""
    u = activations(LINE) + t * LINE.vector("h")
    define(d)
    d.equal(
        "Along a line y + th the squared denominator is a polynomial in t",
        ("s(t)^2", "s(t)^2"),
        variance(u) + eps,
        s**2 + 2 * t * s * hy / m + t**2 * (hh - h1**2 / m) / m,
    )
    d.vectors(
        "Differentiate (y + th - mean)/s(t) at t = 0",
        r"D\hat y[h] = \frac1s\Big(h - \tfrac{\langle \mathbf{1},h\rangle}{m}\mathbf{1}"
        r" - \tfrac{\langle h,\hat y\rangle}{m}\hat y\Big) = \tfrac1s Ph",
        "D yhat[h] = (h - <1,h>/m 1 - <h,yhat>/m yhat)/s = Ph/s",
        first(),
        project(LINE.vector("h")) / s,
    )


def bent(u: Vector) -> Vector:
    """The same vector in the space that also has the form H."""
    return Vector(BENT, u.parts)


def chain(first_h: Vector, first_k: Vector, second: Vector) -> sp.Expr:
    """Second derivative of the loss by the chain rule, from derivatives of yhat."""
    own = gamma**2 * bent(first_h).through(bent(first_k))
    return own + gamma * BENT.vector("g").dot(bent(second))


@cache
def _bending() -> sp.Expr:
    """Mixed derivative at y of the loss to second order, along y + th + rk, from the definition."""
    plane = activations(LINE) + t * LINE.vector("h") + r * LINE.vector("k")
    moved = gamma * bent(normalise(plane) - LINE.vector("yhat"))
    loss = BENT.vector("g").dot(moved) + moved.through(moved) / 2
    return sp.expand(sp.diff(loss, t, r).subs({t: 0, r: 0}))


def chain_step(d: Derivation) -> None:
    """Derive the second derivative of the loss along y + th + rk from those of the layer."""
    d.define(
        "g and H are the gradient and the Hessian of the loss at z",
        r"L(z+q) = L(z) + \langle g,q\rangle + \tfrac12 q^\top H q + o(\|q\|^2)",
        "L(z+q) = L(z) + <g,q> + q'Hq/2 + o(|q|^2)",
    )
    along_k = normalise(activations(LINE) + r * LINE.vector("k")).diff(r).at({r: 0})
    d.equal(
        "Put z(y + th + rk) - z for q and differentiate in t and r: the chain rule",
        (r"\partial_t\partial_r L(z(y+th+rk))", "d2 L(z(y + th + rk))/dt dr"),
        _bending(),
        sp.expand(chain(first(), along_k, second())),
        shown=sp.Symbol("gamma^2 (D yhat[h])' H (D yhat[k]) + gamma <g, D2 yhat[h,k]>"),
    )


def jacobian_entry() -> sp.Expr:
    """Entry (k, i) of the Jacobian: component k in direction e_i."""
    at_basis_vector = {h1: 1, hy: yhat_i, hh: 1}
    entries = {"1": sp.Integer(1), "yhat": yhat_k, "h": delta_ki}
    return sp.expand(first().entry(entries).subs(at_basis_vector))


def hessian_entry() -> sp.Expr:
    """Entry (k; i, l) of the second derivative: component k in directions e_i and e_l."""
    at_basis_vectors = {h1: 1, k1: 1, hy: yhat_i, ky: yhat_l, hk: delta_il}
    entries = {"1": sp.Integer(1), "yhat": yhat_k, "h": delta_ki, "k": delta_kl}
    return sp.expand(second().entry(entries).subs(at_basis_vectors))


def gradient() -> Vector:
    """The gradient ``v = (gamma/s) P g`` of ``y -> L(z(y))``."""
    return project(LOSS.vector("g")) * (gamma / s)


def gradient_steps(d: Derivation) -> None:
    """Derive ``v = (gamma/s) P g`` and its squared norm."""
    jacobian_steps(d)
    # <v, h> must equal the derivative of L along h, which is <g, gamma D yhat[h]>.
    v = gamma / s * project(LINE.vector("g"))
    d.equal(
        "By the chain rule <v,h> = gamma <g, D yhat[h]> for every h: that is v = (gamma/s) P g",
        (r"\langle v, h\rangle = \langle \tfrac{\gamma}{s}Pg, h\rangle", "<v,h> = <(gamma/s)Pg,h>"),
        v.dot(LINE.vector("h")),
        gamma * LINE.vector("g").dot(first()),
    )
    v = gradient()
    d.value(
        vv,
        "Its squared norm, from the Gram matrix of (1, yhat, g)",
        v.dot(v),
        gamma**2 / s**2 * (gg - g1**2 / m - gy**2 / m - eps / s**2 * gy**2 / m),
    )


def hessian_steps(d: Derivation) -> None:
    """Derive ``D2 yhat[h, k]`` from the definition."""
    define(d)
    second_step(d)


def second_step(d: Derivation) -> None:
    """Record ``D2 yhat[h, k]`` in terms of P, checked against the derivative."""
    H, K, yhat = (LINE.vector(name) for name in ("h", "k", "yhat"))
    d.vectors(
        "Differentiate the definition along the plane y + th + rk at t = r = 0",
        r"D^2\hat y[h,k] = -\tfrac{1}{m s^2}\big(\langle k,\hat y\rangle Ph + "
        r"\langle h,\hat y\rangle Pk + \langle h, Pk\rangle\hat y\big)",
        "D2 yhat[h,k] = -(<k,yhat> Ph + <h,yhat> Pk + <h,Pk> yhat)/(m s^2)",
        second(),
        -(ky * project(H) + hy * project(K) + H.dot(project(K)) * yhat) / (m * s**2),
    )


def curvature_steps(d: Derivation) -> None:
    """Derive ``v'Kv``, the curvature of ``y -> L(z(y))`` along its own gradient v.

    Also records the values of the symbols in `EXACT_CURVATURE`.
    """
    gradient_steps(d)
    v, g = gradient(), LOSS.vector("g")
    pushed = gamma * first_along(v)
    chain_step(d)
    d.define(
        "K is the Hessian of y -> L(z(y)); v'Kv is that line for h = k = v",
        r"v^\top K v = \gamma^2\, D\hat y[v]^\top H\, D\hat y[v] "
        r"+ \gamma\,\langle g, D^2\hat y[v,v]\rangle",
        "v'Kv = gamma^2 (D yhat[v])' H (D yhat[v]) + gamma <g, D2 yhat[v,v]>",
    )
    d.vectors(
        "The first derivative along v",
        r"D\hat y[v] = \tfrac1s Pv",
        "D yhat[v] = Pv/s",
        first_along(v),
        project(v) / s,
    )
    Pv, yhat = project(v), LOSS.vector("yhat")
    symbols = {
        vHv: v.through(v),
        PvHPv: Pv.through(Pv),
        vy: v.dot(yhat),
        gPv: g.dot(Pv),
        vPv: v.dot(Pv),
    }
    bend = -(2 * vy * gPv + gy * vPv) / (m * s**2)
    d.equal(
        "The second derivative along v, against g",
        (r"\langle g, D^2\hat y[v,v]\rangle", "<g, D2 yhat[v,v]>"),
        g.dot(second_along(v, v)),
        bend.subs(symbols),
        shown=bend,
    )
    for symbol, value in symbols.items():
        d.value(symbol, "", value)
    d.value(
        vKv,
        "Together",
        pushed.through(pushed) + gamma * g.dot(second_along(v, v)),
        symbols[PvHPv] * gamma**2 / s**2 + gamma * bend.subs(symbols),
        shown=EXACT_CURVATURE,
    )
