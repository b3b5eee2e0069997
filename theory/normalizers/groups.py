"""Derivatives of a general normaliser, for any centring and scale.

A normaliser sends a group u in R^m to ``n = A u/S(u)``, where A is centring or the identity.  With
w the gradient of S at u and W its Hessian, everything follows from n, w and W in the Gram algebra,
for every m, every scale and every axis that defines the groups.
"""

import sympy as sp

from bnproof.theory.proving import lemmas
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space, Vector
from bnproof.theory.symbols import delta_ki, derived, m, mu, sigma, symbol, vv

p = symbol("p", "p", "exponent of the scale", positive=True)
S = symbol("S", "S", "scale: what the normaliser divides by", positive=True)
c_n = symbol("c_n", "c_n", "1 if the numerator is centred, else 0")
c_S = symbol("c_S", "c_S", "1 if the scale is that of the centred group, else 0")
omega = symbol(
    "omega", r"\omega", "w = (omega/m) x/S at p = 2: 1 for a mean of squares", positive=True
)
theta = symbol("theta", r"\theta", "1 - <w,u>/S: 0 where S scales with u", nonnegative=True)
n_k = symbol("n_k", "n_k", "entry k of the normalised group n = Au/S", "k")
n_i = symbol("n_i", "n_i", "entry i of the normalised group n = Au/S", "i")
a_i = symbol("a_i", "a_i", "sign(x_i)|x_i/S|^(p-1); at p = inf m sign(x_i) at the largest", "i")
a_mean = symbol("mean(a)", r"\bar a", "mean of the a_i")
Dn_ki = symbol("Dn_ki", r"\frac{\partial n_k}{\partial u_i}", "Jacobian of the normaliser", "ki")
# The gradient f at n includes gamma, whether it is one number or one per feature.
AfAf = symbol(
    "|Af|^2", r"\|Af\|^2", "squared norm of the gradient at n, A applied", nonnegative=True
)
fn = symbol("<f,n>", r"\langle f, n\rangle", "gradient at n against n")
var_n = symbol("var(n)", r"\mathrm{Var}(n)", "biased variance of n", nonnegative=True)
above = derived("(S^2 - mu^2)", r"(S^2-\mu^2)", "squared scale less squared mean", S**2 - mu**2)
JENSEN = lemmas.cited(
    "A power mean with p >= 1 is at least the absolute mean",
    above,
    "Jensen's inequality for |x|^p, p >= 1: J. L. W. V. Jensen, Acta Math. 30 (1906) 175",
)


def _number(name: str, **more: bool) -> sp.Symbol:
    return sp.Symbol(name, real=True, **more)


# Inner products that occur only in steps, not in relations.
_wh, _wk, _Whk, _fh = map(_number, ("<w,h>", "<w,k>", "W(h,k)", "<Af,h>"))
_wf, _ww = map(_number, ("<w,Af>", "|w|^2"))
_wv, _Wvv, _fv = map(_number, ("<w,v>", "W(v,v)", "<f,v>"))
_one_h, _one_a, _ah = map(_number, ("<1,h>", "<1,a>", "<a,h>"))
_x, t, _r = _number("x", nonzero=True), _number("t"), _number("r")

GROUP = Space(
    {("w", "h"): _wh, ("Af", "h"): _fh, ("f", "Ah"): _fh, ("f", "n"): fn}
    | {("Af", "Af"): AfAf, ("w", "Af"): _wf, ("w", "w"): _ww}
    | {(name, name): _number(f"|{name}|^2") for name in ("n", "h", "Ah", "Ak", "f")}
)
N, W_, AH, AK, AF = (GROUP.vector(name) for name in ("n", "w", "Ah", "Ak", "Af"))
_ENTRIES = Space(
    {
        ("1", "1"): m,
        ("1", "a"): _one_a,
        ("1", "h"): _one_h,
        ("a", "h"): _ah,
        ("a", "a"): _number("|a|^2"),
        ("h", "h"): _number("|h|^2"),
    }
)
MOMENTS = Space({("1", "1"): m, ("1", "y"): m * mu, ("y", "y"): m * (mu**2 + sigma**2)})


def slope_steps(d: Derivation) -> None:
    """Derive the gradient w of the power mean, centred or not, entry by entry."""
    d.define(
        "The group u in R^m, the argument x of the scale (c_S = 1: centred; c_S = 0: as the "
        "slides print it) and the normaliser",
        r"x = u - c_S\bar u\mathbf{1},\quad S = \Big(\tfrac1m\sum_{i=1}^m |x_i|^p\Big)^{1/p},\quad "
        r"n = (u - \bar u\mathbf{1})/S,\quad a_i = \mathrm{sign}(x_i)\,|x_i/S|^{p-1}",
        "x = u - c_S mean(u) 1, S = (mean |x_i|^p)^(1/p), n = (u - mean(u) 1)/S, "
        "a_i = sign(x_i)|x_i/S|^(p-1)",
    )
    power = sp.Abs(_x) ** p
    d.equal(
        "Where x is not 0 (at p = 1 the scale has a corner there)",
        (r"\frac{d}{dx}|x|^p", "d|x|^p/dx"),
        sp.diff(power, _x),
        p * power * sp.sign(_x) / sp.Abs(_x),
        shown=p * sp.sign(_x) * sp.Abs(_x) ** (p - 1),
    )
    ay = _number("mean(ay)")
    d.equal(
        "So along x + ty the mean of |x_i|^p is S^p + t p S^(p-1) mean(a_i y_i) + ..., and S moves "
        "by mean(a_i y_i)",
        (r"\frac{d}{dt}S(x+ty)", "dS(x + ty)/dt"),
        sp.diff((S**p + t * p * S ** (p - 1) * ay) ** (1 / p), t).subs(t, 0),
        ay,
    )
    ones, a, h = (_ENTRIES.vector(name) for name in ("1", "a", "h"))
    d.equal(
        "A step h of u moves x by y = h - c_S mean(h) 1; collect h: this is <w,h>, with "
        "w_i = (a_i - c_S mean(a))/m",
        (
            r"\tfrac1m\langle a, h - c_S\bar h\mathbf{1}\rangle",
            "<a, h - c_S mean(h) 1>/m",
        ),
        a.dot(h - ones * (c_S * ones.dot(h) / m)) / m,
        (a - ones * (c_S * ones.dot(a) / m)).dot(h) / m,
        shown=_wh,
    )


def first() -> Vector:
    """``D n[h]``, by differentiating ``(A u + t A h)/S(u + t h)``."""
    return ((N * S + AH * t) / (S + t * _wh)).diff(t).at({t: 0})


def second() -> Vector:
    """``D2 n[h, k]``: S changes by t<w,h> + r<w,k> + t r W(h,k)."""
    scale = S + t * _wh + _r * _wk + t * _r * _Whk
    return ((N * S + AH * t + AK * _r) / scale).diff(t, _r).at({t: 0, _r: 0})


def moment_steps(d: Derivation) -> None:
    """Record the printed layer, and express inner products of y by its mean and variance."""
    d.define(
        "As the slides print it: the numerator is centred, the scale is that of y itself",
        r"n = (y - \mu\mathbf{1})/S,\quad S = \Big(\tfrac1m\sum_{i=1}^m |y_i|^p\Big)^{1/p},\quad "
        r"\mu = \tfrac1m\langle\mathbf{1}, y\rangle,\quad \sigma^2 = \tfrac1m\|y-\mu\mathbf{1}\|^2",
        "n = (y - mu 1)/S, S = C = (mean |y_i|^p)^(1/p), mu = <1,y>/m, sigma^2 = |y - mu 1|^2/m",
    )
    ones, y = MOMENTS.vector("1"), MOMENTS.vector("y")
    d.equal(
        "By <1,y> = m mu and |y|^2 = m(mu^2 + sigma^2)",
        (r"\tfrac1m\|y - \mu\mathbf{1}\|^2", "|y - mu 1|^2/m"),
        sp.expand((y - ones * mu).dot(y - ones * mu) / m),
        sigma**2,
    )


def define(d: Derivation) -> None:
    """Define the groups of the normalisers."""
    d.define(
        "A group u in R^m: the features of one sample (LayerNorm, RMSNorm), some channels of one "
        "sample (GroupNorm), one channel of one sample over space (InstanceNorm), the incoming "
        "weights of one unit (WeightNorm). Groups share no entry, so each has its own Jacobian; "
        "where a group lies in one sample, no other sample of the batch enters",
        r"n = Au/S(u),\quad f = \nabla_n L,\quad v = \nabla_u L",
        "n = Au/S(u), f = grad_n L, v = grad_u L",
    )


def scale_steps(d: Derivation) -> None:
    """Derive the slope of a scale S = G(R), R the root mean square of x = Au."""
    size = sp.Symbol("R", positive=True)
    line = Space({("x", "x"): m * size**2, ("x", "h"): _number("<x,h>"), ("h", "h"): _number("h")})
    x, moved = line.vector("x"), line.vector("x") + line.vector("h") * t
    d.define(
        "Each scale is a function of the root mean square R of x = Au, and w is its gradient",
        r"S = G(R),\quad R^2 = \tfrac1m\|x\|^2,\quad \omega = G'(R)\,\tfrac{S}{R},\quad "
        r"\theta = 1 - G'(R)\,\tfrac{R}{S}",
        "S = G(R), R^2 = |x|^2/m, omega = G'(R) S/R, theta = 1 - G'(R) R/S",
    )
    d.equal(
        "Along x + th it moves by <w,h> with w = G'(R) x/(m R) = (omega/m) x/S",
        (r"\tfrac{d}{dt}R", "dR/dt"),
        sp.diff(sp.sqrt(moved.dot(moved) / m), t).subs(t, 0),
        _number("<x,h>") / (m * size),
    )
    slope = sp.Symbol("G'(R)", real=True)
    d.equal(
        "so that <w,u> = <w,x> = (1 - theta) S",
        (r"\langle w,x\rangle", "<w,x>"),
        (x * (slope / (m * size))).dot(x),
        slope * size,
    )


def jacobian_steps(d: Derivation) -> None:
    """Derive ``D n[h] = (Ah - <w,h> n)/S`` for every normaliser."""
    d.vectors(
        "Differentiate (Au + tAh)/S(u + th) at t = 0; A is centring or the identity",
        r"Dn[h] = \frac1S\big(Ah - \langle w, h\rangle\, n\big)",
        "Dn[h] = (Ah - <w,h> n)/S",
        first(),
        (AH - N * _wh) / S,
    )


def gradient_steps(d: Derivation) -> None:
    """Derive the gradient v of ``u -> L(n(u))`` and its squared norm, for every normaliser."""
    jacobian_steps(d)
    v = (AF - W_ * fn) / S
    d.equal(
        "By the chain rule <v,h> = <f, Dn[h]> for every h, f the gradient at n: "
        "that is v = (Af - <f,n> w)/S",
        (r"\langle v, h\rangle = \langle f, Dn[h]\rangle", "<v,h> = <f, Dn[h]>"),
        GROUP.vector("f").dot(first()),
        v.dot(GROUP.vector("h")),
    )
    square = AfAf - 2 * _wf * fn + _ww * fn**2
    d.equal(
        "Its squared norm",
        (r"S^2\|v\|^2", "S^2 |v|^2"),
        sp.expand(v.dot(v) * S**2),
        square,
    )
    d.equal(
        "At p = 2 the slope is along x: w = (omega/m) x/S, with <w,u> = (1 - theta) S and "
        "A x = A u = S n; so <w,Af> = (omega/m)<f,n> and |w|^2 = (omega/m)(1 - theta)",
        (r"S^2\|v\|^2", "S^2 |v|^2"),
        square.subs({_wf: omega * fn / m, _ww: omega * (1 - theta) / m}),
        AfAf - omega * (1 + theta) * fn**2 / m,
    )
    d.value(vv, "", (AfAf - omega * (1 + theta) * fn**2 / m) / S**2)


def curvature_steps(d: Derivation) -> None:
    """Derive the term that the normaliser adds to the curvature along v, where Av = v."""
    d.vectors(
        "Differentiate once more, with W the Hessian of S",
        r"D^2n[h,k] = -\tfrac{1}{S^2}\big(\langle w,k\rangle Ah + \langle w,h\rangle Ak\big) + "
        r"\big(\tfrac{2}{S^2}\langle w,h\rangle\langle w,k\rangle - \tfrac1S W(h,k)\big) n",
        "D2n[h,k] = -(<w,k> Ah + <w,h> Ak)/S^2 + (2<w,h><w,k>/S^2 - W(h,k)/S) n",
        second(),
        (AH * _wk + AK * _wh) / -(S**2) + N * (2 * _wh * _wk / S**2 - _Whk / S),
    )
    bend = -2 * _fv * _wv / S**2 + fn * (2 * _wv**2 / S**2 - _Wvv / S)
    d.equal(
        "The second derivative along v against f, where Av = v, so <f,v> = S|v|^2 + <f,n><w,v>",
        (r"\langle f, D^2n[v,v]\rangle", "<f, D2n[v,v]>"),
        bend.subs(_fv, S * vv + fn * _wv),
        -2 * _wv * vv / S - fn * _Wvv / S,
    )
    d.equal(
        "At p = 2 with S of degree 1 (theta = 0): <w,v> = 0, as scaling u does not change L, and "
        "W(v,v) = (omega/m)|v|^2/S. That is Theorem 4.2, omega/m for 1/m",
        (r"\langle f, D^2n[v,v]\rangle", "<f, D2n[v,v]>"),
        (-2 * _wv * vv / S - fn * _Wvv / S).subs({_wv: 0, _Wvv: omega * vv / (m * S)}),
        -omega * fn * vv / (m * S**2),
    )


def jacobian_entry() -> sp.Expr:
    """Entry (k, i) of the Jacobian of centred l_p normalisation: h = e_i, component k."""
    entries = {"n": n_k, "Ah": delta_ki - 1 / m}
    return sp.expand(first().entry(entries).subs(_wh, (a_i - c_S * a_mean) / m))
