"""Maxima over a ball of inputs, and distances from an initialisation to optimal weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import sympy as sp

from bnproof.theory.layer import batchnorm, weights
from bnproof.theory.layer.weights import c, nn, nw, ww
from bnproof.theory.proving import lemmas
from bnproof.theory.proving.certificate import Certificate, Term
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space, Vector
from bnproof.theory.symbols import eps, g1, gamma, gg, gy, m, s, symbol, vv

radius = symbol("lambda", r"\lambda", "bound on the spectral norm of X", positive=True)
ghat = symbol(
    "ghat_j", r"\hat g_j", "maximum of |X'v|^2 over |X| <= lambda, v held fixed", nonnegative=True
)
gstd = symbol("g_j", "g_j", "maximum of |X'g|^2 over |X| <= lambda, g held fixed", nonnegative=True)
mu_g = symbol("mu_g", r"\mu_{g_j}", "mean of the gradient at z")
nn_c = symbol(
    "|grad at X_c|^2",
    r"\|\nabla_w\hat{\mathcal L}(X_c)\|^2",
    "squared weight gradient for the inputs X_c",
    nonnegative=True,
)
d_bn = symbol(
    "|W0-What*|^2",
    r"\|W_0-\hat W^*\|^2",
    "squared distance to the closest optimum of the normalised unit, gamma = 1, beta = 0",
    nonnegative=True,
)
d_learned = symbol(
    "|W0-What*|^2 (gamma, beta optimal)",
    r"\|W_0-\hat W^*_{\gamma,\beta}\|^2",
    "squared distance to the closest optimum of the normalised unit, gamma and beta optimal",
    nonnegative=True,
)
d_std = symbol(
    "|W0-W*|^2",
    r"\|W_0-W^*\|^2",
    "squared distance to the optimum of the unit without the layer",
    nonnegative=True,
)
d_ray = symbol(
    "dist(W0, ray W*)^2",
    r"\mathrm{dist}(W_0, \mathbb{R}_{>0}W^*)^2",
    "squared distance to the ray through W*",
    nonnegative=True,
)
star = symbol("|W*|^2", r"\|W^*\|^2", "squared norm of W*", nonnegative=True)
inner = symbol("<W*,W0>", r"\langle W^*,W_0\rangle", "W* against the initial weights")
start = symbol("|W0|^2", r"\|W_0\|^2", "squared norm of the initial weights", nonnegative=True)

# W* is not 0 where it has a positive inner product with another vector.
OVERLAP = lemmas.gram(
    "Cauchy-Schwarz for W* and W0",
    ("W*", "W0"),
    {("W*", "W*"): star, ("W0", "W0"): start, ("W*", "W0"): inner},
)
lemmas.positive(
    star,
    Certificate(
        sp.Le(1, star * (start / inner**2)),
        sp.Gt(inner, 0),
        {},
        (Term(1 / inner**2, "a square", OVERLAP.name),),
    ),
)

RAY = d_std - (star - inner) ** 2 / star


def maximum_steps(d: Derivation) -> None:
    """Derive both maxima of Theorem 4.4 with g, yhat and sigma held fixed, at eps = 0."""
    batchnorm.gradient_steps(d)
    d.define(
        "The spectral norm |X| is the least number with |X'v| <= |X||v| for every v, so that no X "
        "of the ball gives more than lambda |v|. One that might is X = lambda v e'/|v|, |e| = 1",
        r"X_0 = \lambda\,\frac{v e^\top}{\|v\|},\quad \|e\| = 1",
        "X_0 = lambda v e'/|v|, |e| = 1",
    )
    size, part = sp.symbols("|v|^2", positive=True), sp.Symbol("<e,u>", real=True)
    pair = Space({("v", "v"): size, ("e", "e"): 1, ("v", "e"): 0})
    v, e = pair.vector("v"), pair.vector("e")
    image, back = v * (radius * part / sp.sqrt(size)), e * (radius * size / sp.sqrt(size))
    d.equal(
        "It lies in the ball: |X_0 u| <= lambda |u| for every u, as <e,u>^2 <= |u|^2",
        (r"\|X_0u\|^2", "|X_0 u|^2"),
        image.dot(image),
        radius**2 * part**2,
    )
    d.equal(
        "and it attains lambda |v|, which is the maximum, for v as for g",
        (r"\|X_0^\top v\|^2", "|X_0'v|^2"),
        back.dot(back),
        radius**2 * size,
    )
    length = gamma**2 / s**2 * (gg - g1**2 / m - gy**2 / m)
    d.value(
        ghat,
        "The first, with |v|^2 as derived, at eps = 0",
        radius**2 * d.values[vv].subs(eps, 0),
        radius**2 * length,
    )
    d.value(gstd, "The second", radius**2 * gg, gg * radius**2)
    d.value(mu_g, "and the mean of g", batchnorm.mean(batchnorm.LOSS.vector("g")), g1 / m)


def shrink_steps(d: Derivation) -> None:
    """Derive the weight gradient when the part of X along w is shrunk by c, at eps = 0."""
    weights.gradient_entry_steps(d)
    radial = Derivation()
    weights.radial_steps(radial)
    d.equal(
        "At eps = 0 the gradient n = X'v is orthogonal to w",
        (r"\langle\nabla_w\hat{\mathcal L}, w\rangle", "<grad,w>"),
        radial.values[nw].subs(eps, 0),
        sp.Integer(0),
    )
    d.define(
        "Shrink the inputs along w only",
        r"X_c = XS,\quad S = I - (1-c)\frac{ww^\top}{\|w\|^2}",
        "X_c = X S, S = I - (1-c) ww'/|w|^2",
    )
    size, part = sp.Symbol("|u|^2", nonnegative=True), sp.Symbol("<u,w>", real=True)
    plane = Space(
        {("w", "w"): ww, ("w", "n"): radial.values[nw].subs(eps, 0), ("n", "n"): nn}
        | {("u", "u"): size, ("u", "w"): part, ("u", "n"): sp.Symbol("<u,n>", real=True)}
    )
    n, w, u = (plane.vector(name) for name in ("n", "w", "u"))

    def shrunk(vector: Vector) -> Vector:
        return vector - w * ((1 - c) * vector.dot(w) / w.dot(w))

    d.vectors(
        "S shrinks w by c, so that X_c w = c y, where the gradient at y is v/c by the lines above",
        "Sw = cw",
        "S w = c w",
        shrunk(w),
        w * c,
    )
    d.equal(
        "and lengthens no u if c <= 1, so that |X_c| is at most |X|",
        (r"\|Su\|^2", "|S u|^2"),
        shrunk(u).dot(shrunk(u)),
        size - (1 - c**2) * part**2 / ww,
    )
    there = shrunk(n) / c
    d.value(
        nn_c,
        "The weight gradient for X_c is X_c'v/c = S n/c, and n is orthogonal to w",
        there.dot(there),
        nn / c**2,
    )


def ray_steps(d: Derivation) -> None:
    """Derive the distance from W0 to the ray through W*."""
    plane = Space({("0", "0"): start, ("0", "*"): inner, ("*", "*"): star})
    w0, w = plane.vector("0"), plane.vector("*")
    along = sp.Symbol("c", real=True)
    off = w0 - w * along
    d.define(
        "A point of the ray through W*",
        r"c\,W^*,\quad c > 0",
        "c W*, c > 0",
    )
    d.equal(
        "The squared distance to it has slope 0 at c = <W*,W0>/|W*|^2, which is positive by "
        "hypothesis",
        (
            r"\tfrac{d}{dc}\|W_0 - cW^*\|^2 \text{ at } c = \langle W^*,W_0\rangle/\|W^*\|^2",
            "d/dc |W0 - c W*|^2 at c = <W*,W0>/|W*|^2",
        ),
        sp.diff(off.dot(off), along).subs(along, inner / star),
        sp.Integer(0),
    )
    d.equal(
        "and that is the minimum: the rest is a square",
        (r"\|W_0 - cW^*\|^2", "|W0 - c W*|^2"),
        off.dot(off),
        start - inner**2 / star + star * (along - inner / star) ** 2,
    )
    d.value(
        d_ray,
        "The distance there",
        off.dot(off).subs(along, inner / star),
        start - inner**2 / star,
    )
    direct = w0 - w
    d.value(d_std, "The distance to W* itself", direct.dot(direct), start - 2 * inner + star)


@dataclass(frozen=True)
class Regression:
    """Exact data of one linear unit with squared error: inputs X, targets t, initial weights w0."""

    X: tuple[tuple[Fraction, ...], ...]
    t: tuple[Fraction, ...]
    w0: tuple[Fraction, ...]

    @classmethod
    def of(cls, X: Sequence[Sequence[Any]], t: Sequence[Any], w0: Sequence[Any]) -> "Regression":
        """Build from integers, fractions or strings such as ``"3/4"``.

        Raises
        ------
        ValueError
            If the sizes differ or there are more than two weights.
        """
        if len(w0) not in (1, 2) or len(X) != len(t) or any(len(row) != len(w0) for row in X):
            raise ValueError(
                f"X has {len(X)} rows, t {len(t)} and w0 {len(w0)} entries; give one row of X for "
                "each target, one column for each weight, and one or two weights"
            )
        rows = tuple(tuple(map(Fraction, row)) for row in X)
        return cls(rows, tuple(map(Fraction, t)), tuple(map(Fraction, w0)))


PLANE: Final = Regression.of(X=[[1, 0], [0, 1], [1, 1]], t=[1, 2, 0], w0=[0, 1])


def regression(data: Regression = PLANE, *, learned: bool) -> Mapping[sp.Symbol, sp.Expr]:
    """Exact values of the symbols for one regression with one or two weights.

    Optima are stationary points of the loss, from its definition.

    Raises
    ------
    ValueError
        If the centred columns of X are linearly dependent (optima are then not unique, or the
        normalised unit is undefined), or if t is orthogonal to them or to X (every direction is
        then optimal, or the plain optimum is 0).
    """
    X, t, w0 = (_matrix(array) for array in (data.X, data.t, data.w0))
    point = sp.Matrix(sp.symbols(f"a:{X.cols}", real=True))
    x, p, q = sp.symbols("x p q", real=True)
    ones = sp.ones(X.rows, 1)
    plain = X * point - t
    centred = X - ones * (ones.T * X) / X.rows
    if centred.rank() < X.cols:
        raise ValueError(f"X = {X.tolist()}: centred columns are dependent; change one")
    (optimum,) = sp.solve([sp.diff(plain.dot(plain), var) for var in point], [*point], dict=True)
    best = point.subs(optimum)
    if (centred.T * t).is_zero_matrix or best.is_zero_matrix:
        raise ValueError(f"t = {[*t]}: is orthogonal to X or to centred X; change one entry")

    def loss(w: sp.Matrix) -> sp.Expr:
        y = X * w
        y = y - ones * sum(y) / X.rows
        hat = y / sp.sqrt(y.dot(y) / X.rows)
        miss = (p * hat + q * ones if learned else hat) - t
        total = miss.dot(miss)
        if not learned:
            return total
        at = sp.solve([sp.diff(total, var) for var in (p, q)], [p, q], dict=True)[0]
        return sp.simplify(total.subs(at))

    # The loss depends on the direction of w only: (x, 1), (x, -1) and their limits (1, 0), (-1, 0).
    axis = sp.Matrix([1, *[0] * (X.cols - 1)])
    directions = [axis, -axis]
    for sign in (1, -1) if X.cols == 2 else ():
        path = sp.Matrix([x, sign])
        slope = sp.numer(sp.together(sp.diff(loss(path), x)))
        directions += [path.subs(x, root) for root in sp.solve(slope, x)]
    values = [sp.nsimplify(sp.simplify(loss(w))) for w in directions]
    least = min(values)
    optima = [w for w, value in zip(directions, values, strict=True) if value == least]
    # Squared distance of W0 to each ray: |W0|^2 less its part along the ray, if that is positive.
    away = [w0.dot(w0) - sp.Max(w0.dot(w), 0) ** 2 / w.dot(w) for w in optima]
    gap, forward = w0 - best, sp.Max(w0.dot(best), 0)
    return {
        d_learned if learned else d_bn: min(away),
        d_std: gap.dot(gap),
        d_ray: w0.dot(w0) - forward**2 / best.dot(best),
        star: best.dot(best),
        inner: best.dot(w0),
    }


def _matrix(array: Sequence[Any]) -> sp.Matrix:
    """A SymPy matrix from a vector (as a column) or from rows."""
    return sp.Matrix(sp.sympify(array))
