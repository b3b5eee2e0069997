"""Gradient and Hessian of the loss in the weights of one unit, y = Xw.

Gradient and Hessian of ``Lhat(w) = L(z(Xw))`` are those of ``y -> L(z(y))`` along columns of X:
entry k of the gradient is the derivative along ``h = X e_k``.  Of X only its adjoint is used,
``<X'v, w> = <v, Xw>``, so the steps reduce to those of `bnproof.theory.layer.batchnorm`.
"""

from functools import cache

import sympy as sp

from bnproof.theory.layer import batchnorm
from bnproof.theory.layer.batchnorm import (
    LINE,
    activations,
    bent,
    chain,
    normalise,
    project,
    r,
    t,
)
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space, Vector
from bnproof.theory.symbols import (
    eps,
    g1,
    gamma,
    gh,
    gy,
    h1,
    hk,
    hy,
    k1,
    ky,
    m,
    mu,
    s,
    symbol,
)

c = symbol("c", "c", "factor on the weights", positive=True)
eta = symbol("eta", r"\eta", "learning rate", positive=True)
ww = symbol("|w|^2", r"\|w\|^2", "squared norm of the weights", nonnegative=True)
nw = symbol(
    "<grad,w>", r"\langle\nabla_w\hat{\mathcal L}, w\rangle", "weight gradient against the weights"
)
nn = symbol(
    "|grad|^2",
    r"\|\nabla_w\hat{\mathcal L}\|^2",
    "squared norm of the weight gradient",
    nonnegative=True,
)
after = symbol(
    "|w - eta grad|^2",
    r"\|w - \eta\nabla_w\hat{\mathcal L}\|^2",
    "squared norm of the weights after one step of gradient descent",
    nonnegative=True,
)
loss_w = symbol("Lhat(w)", r"\hat{\mathcal L}(w)", "loss at the weights w")
loss_cw = symbol("Lhat(cw)", r"\hat{\mathcal L}(cw)", "loss at the weights cw")
grad_k = symbol(
    "grad_k(w)", r"\partial_k\hat{\mathcal L}(w)", "entry k of the weight gradient at w", "k"
)
grad_ck = symbol(
    "grad_k(cw)", r"\partial_k\hat{\mathcal L}(cw)", "entry k of the weight gradient at cw", "k"
)
hess_ki = symbol(
    "Hess_ki(w)",
    r"\partial_k\partial_i\hat{\mathcal L}(w)",
    "entry (k, i) of the weight Hessian at w",
    "ki",
)
hess_cki = symbol(
    "Hess_ki(cw)",
    r"\partial_k\partial_i\hat{\mathcal L}(cw)",
    "entry (k, i) of the weight Hessian at cw",
    "ki",
)
hessw_k = symbol(
    "(Hess w)_k",
    r"\big(\nabla^2_w\hat{\mathcal L}\,w\big)_k",
    "entry k of the weight Hessian times w",
    "k",
)
Xy_k = symbol(
    "<X e_k,yhat>", r"\langle Xe_k, \hat y\rangle", "input k over the batch against yhat", "k"
)
PXHy_k = symbol(
    "(PX e_k)'H yhat", r"(PXe_k)^\top H\hat y", "Hessian at z between PX e_k and yhat", "k"
)

# The value of <grad, w>, which vanishes only for eps = 0.
RADIAL = gamma * eps / s**2 * gy
# The value of (Hess w)_k + grad_k, which vanishes for eps = 0 (Euler's relation).
EULER = eps / s**2 * (grad_k + gamma**2 / s * PXHy_k - 2 * gamma / (m * s) * Xy_k * gy)


@cache
def scaled() -> tuple[Vector, Vector, Vector]:
    """``D yhat[h]``, ``D yhat[k]``, ``D2 yhat[h,k]`` at cy for eps = 0, from the definition."""
    plane = c * activations(LINE) + t * LINE.vector("h") + r * LINE.vector("k")
    there = normalise(plane)
    zero = {t: 0, r: 0, eps: 0}
    return there.diff(t).at(zero), there.diff(r).at(zero), there.diff(t, r).at(zero)


def same_point_steps(d: Derivation) -> None:
    """Derive that at eps = 0 the layer ignores the length of w: yhat(cy) = yhat(y)."""
    batchnorm.define(d)
    d.define("The unit is linear in its weights", r"y = Xw,\quad X(cw) = cy", "y = Xw, X(cw) = cy")
    d.vectors(
        "At eps = 0 mean and deviation of cy are c times those of y (c > 0), and c cancels",
        r"\mathrm{BN}(cy) = \frac{cy - c\mu\mathbf{1}}{c\sigma} = \hat y",
        "BN(cy) = (cy - c mu 1)/(c sigma) = yhat",
        normalise(activations(LINE) * c).at({eps: 0}),
        LINE.vector("yhat"),
    )


def radial_steps(d: Derivation) -> None:
    """Derive ``<grad, w>`` for every eps."""
    batchnorm.gradient_steps(d)
    d.define(
        "The unit is y = Xw. Its weight gradient against u is the derivative of the loss along "
        "w + tu, which moves y along Xu; for u = w that is y itself",
        r"\langle\nabla_w\hat{\mathcal L}, w\rangle = \tfrac{d}{dt}L(z(y+ty))|_{t=0}",
        "<grad,w> = d L(z(y + ty))/dt at t = 0",
    )
    y = activations(batchnorm.LOSS)
    d.equal(
        "By the gradient at y",
        (r"\langle v, y\rangle", "<v,y>"),
        batchnorm.gradient().dot(y),
        RADIAL,
    )
    d.value(
        nw,
        "and from the layer itself, along y = mu 1 + s yhat",
        gamma * batchnorm.LOSS.vector("g").dot(batchnorm.first_along(y)),
        RADIAL,
    )


def step_steps(d: Derivation) -> None:
    """Derive the squared norm of the weights after one step, from ``<grad, w>``."""
    inner = d.values[nw]
    plane = Space({("w", "w"): ww, ("w", "n"): inner, ("n", "n"): nn})
    moved = plane.vector("w") - plane.vector("n") * eta
    d.value(
        after,
        "One step of gradient descent, squared: the cross term is -2 eta <grad,w>",
        moved.dot(moved),
        ww - 2 * eta * inner + eta**2 * nn,
    )


def gradient_entry_steps(d: Derivation) -> None:
    """Derive entry k of the gradient at w and at cw, along ``h = X e_k``, for eps = 0."""
    same_point_steps(d)
    first_h, _, _ = scaled()
    d.vectors(
        "Differentiate the layer at cy along h, for eps = 0",
        r"D\hat y_{(cy)}[h] = \frac{1}{c\,s}Ph = \frac1c D\hat y_{(y)}[h]",
        "D yhat at cy [h] = Ph/(c s) = D yhat at y [h]/c",
        first_h,
        batchnorm.first().at({eps: 0}) / c,
    )
    d.define(
        "Entry k of the weight gradient is the derivative along w + t e_k, which moves y along "
        "h = X e_k; g is the gradient at z, which is the same",
        r"\partial_k\hat{\mathcal L} = \gamma\,\langle g, D\hat y[Xe_k]\rangle",
        "grad_k = gamma <g, D yhat[X e_k]>",
    )
    g = LINE.vector("g")
    here = gamma / s * (gh - h1 * g1 / m - hy * gy / m)
    d.value(grad_k, "At w, with h = X e_k", gamma * g.dot(batchnorm.first()).subs(eps, 0), here)
    d.value(grad_ck, "At cw", gamma * g.dot(first_h), here / c)


def hessian_entry_steps(d: Derivation) -> None:
    """Derive entry (k, i) of the Hessian at w and at cw, for eps = 0."""
    same_point_steps(d)
    first_h, first_k, second = scaled()
    d.vectors(
        "Differentiate the layer at cy twice, along h and k, for eps = 0",
        r"D^2\hat y_{(cy)}[h,k] = \frac{1}{c^2} D^2\hat y_{(y)}[h,k]",
        "D2 yhat at cy [h,k] = D2 yhat at y [h,k]/c^2",
        second,
        batchnorm.second().at({eps: 0}) / c**2,
    )
    d.vectors(
        "and once",
        r"D\hat y_{(cy)}[h] = \frac1c D\hat y_{(y)}[h]",
        "D yhat at cy [h] = D yhat at y [h]/c",
        first_h,
        project(LINE.vector("h")) / (c * s),
    )
    batchnorm.chain_step(d)
    d.define(
        "Entry (k, i) of the weight Hessian is that line along h = X e_k, k = X e_i; g and H are "
        "those at z, which is the same at cw",
        r"\partial_k\partial_i\hat{\mathcal L} = \gamma^2\, D\hat y[h]^\top H\, D\hat y[k]"
        r" + \gamma\langle g, D^2\hat y[h,k]\rangle",
        "Hess_ki = gamma^2 (D yhat[h])' H (D yhat[k]) + gamma <g, D2 yhat[h,k]>",
    )
    h, k = LINE.vector("h"), LINE.vector("k")
    here = chain(project(h) / s, project(k) / s, batchnorm.second()).subs(eps, 0)
    names = r"\gamma^2 D\hat y[h]^\top H D\hat y[k] + \gamma\langle g, D^2\hat y[h,k]\rangle"
    d.equal(
        "So every term of the Hessian at cw is 1/c^2 times that at w",
        (
            rf"c^2\big({names}\big)_{{(cy)}} - \big({names}\big)_{{(y)}}",
            "c^2 Hess_ki(cw) - Hess_ki(w)",
        ),
        c**2 * chain(first_h, first_k, second) - here,
        sp.Integer(0),
    )
    d.value(hess_ki, "", here)
    d.value(hess_cki, "", chain(first_h, first_k, second))


def euler_steps(d: Derivation) -> None:
    """Derive entry k of Hess w, along ``h = X e_k`` and y = Xw, for every eps."""
    batchnorm.hessian_steps(d)
    h, yhat, g = (LINE.vector(name) for name in ("h", "yhat", "g"))
    y = {k1: m * mu, ky: s * yhat.dot(yhat), hk: _hy_full()}
    along_y = _replace_k(batchnorm.second().at(y))
    kappa = 1 - eps / s**2
    d.vectors(
        "Along y itself the first derivative almost vanishes",
        r"D\hat y[y] = \frac{\varepsilon}{s^2}\hat y",
        "D yhat[y] = (eps/s^2) yhat",
        batchnorm.first_along(activations(LINE)),
        yhat * (eps / s**2),
    )
    d.vectors(
        "and the second, along h and y, is, with kappa = sigma^2/s^2 = 1 - eps/s^2",
        r"D^2\hat y[h,y] = -\frac1s\Big(\kappa\,Ph + \tfrac{2(1-\kappa)}{m}"
        r"\langle h,\hat y\rangle\hat y\Big)",
        "D2 yhat[h,y] = -(kappa Ph + 2 (1 - kappa)/m <h,yhat> yhat)/s",
        along_y,
        -(project(h) * kappa + yhat * (2 * (1 - kappa) / m * hy)) / s,
    )
    batchnorm.chain_step(d)
    d.define(
        "Entry k of Hess w is that line along h = X e_k and y = Xw",
        r"\big(\nabla^2_w\hat{\mathcal L}\,w\big)_k = \gamma^2\, D\hat y[h]^\top H\, D\hat y[y]"
        r" + \gamma\langle g, D^2\hat y[h,y]\rangle,\quad "
        r"\partial_k\hat{\mathcal L} = \gamma\langle g, D\hat y[h]\rangle",
        "(Hess w)_k = gamma^2 (D yhat[h])' H (D yhat[y]) + gamma <g, D2 yhat[h,y]>, "
        "grad_k = gamma <g, D yhat[h]>",
    )
    slope = gamma * g.dot(batchnorm.first())
    across = bent(project(h)).through(bent(yhat))
    known = {grad_k: slope, PXHy_k: across, Xy_k: hy}
    for part, value in known.items():
        d.value(part, "", value)
    d.value(
        hessw_k,
        "Together",
        chain(batchnorm.first(), batchnorm.first_along(activations(LINE)), along_y),
        (EULER - grad_k).subs(known),
        shown=EULER - grad_k,
    )


def _hy_full() -> sp.Expr:
    """``<h, y>``."""
    return LINE.vector("h").dot(activations(LINE))


def _replace_k(u: Vector) -> Vector:
    """Replace the basis vector k by y."""
    rest = Vector(LINE, {name: part for name, part in u.parts.items() if name != "k"})
    return rest + activations(LINE) * u.coefficient("k")
