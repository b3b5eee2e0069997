"""Gradient descent on least squares, and the contours of the loss of a linear model.

Let ``f(x) = |Ax - y|^2/2``.  In the right singular basis of A the components of the error
``e = x - x*`` decouple: a step multiplies component i by ``1 - alpha sigma_i^2``.  What S3,
section 5, says about the condition number concerns the extremes of these factors.  A' denotes a
second, worse conditioned problem.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Final

import sympy as sp

from bnproof.theory.claim import ExactCase
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space
from bnproof.theory.symbols import delta_ki, derived, m, mu, sigma, symbol

# One problem.
largest = symbol("sigma_max", r"\sigma_{\max}", "largest singular value of A", positive=True)
smallest = symbol(
    "sigma_min",
    r"\sigma_{\min}",
    "smallest singular value of A, whose columns are independent",
    positive=True,
)
cond = symbol("cond(A)", r"\kappa", "condition number sigma_max/sigma_min of A", positive=True)
best = symbol(
    "best factor",
    r"\min_\alpha\max_i|1-\alpha\sigma_i^2|",
    "worst factor of the error in one step of gradient descent, at the best learning rate",
)
limit = symbol(
    "largest stable rate",
    r"\alpha_{\max}",
    "largest learning rate at which no error component grows",
    positive=True,
)
ratio = symbol(
    "gradient ratio",
    r"\frac{|\partial_{\max}f|}{|\partial_{\min}f|}",
    "gradient along the top singular direction over that along the last, at equal errors",
    positive=True,
)

# A second problem with a larger condition number.
cond_2 = symbol("cond(A')", r"\kappa'", "condition number of A'", positive=True)
increase = derived(
    "(cond(A')^2-cond(A)^2)",
    r"(\kappa'^2-\kappa^2)",
    "increase of the squared condition number",
    cond_2**2 - cond**2,
)
best_2 = symbol(
    "best factor of A'", r"\min_\alpha\max_i|1-\alpha\sigma_i'^2|", "the same for the problem A'"
)
limit_2 = symbol(
    "largest stable rate of A'",
    r"\alpha'_{\max}",
    "largest stable learning rate of the problem A'",
    positive=True,
)
ratio_2 = symbol(
    "gradient ratio of A'",
    r"\frac{|\partial'_{\max}f|}{|\partial'_{\min}f|}",
    "gradient ratio of the problem A'",
    positive=True,
)

# Contours of the squared loss of a linear model, features scaled.
stretch = symbol(
    "stretch",
    r"\frac{\lambda_{\max}}{\lambda_{\min}}",
    "ratio of the curvatures of the loss of two scaled features: 1 if contours are circles",
    positive=True,
)
correlation = symbol("corr", r"\varrho", "correlation of two features")
uneven = symbol(
    "stretch + 1/stretch (centred)",
    r"\Big(\kappa_c + \frac{1}{\kappa_c}\Big)",
    "ratio of the curvatures for two features that are centred and not scaled, plus its inverse",
    positive=True,
)
unshared = symbol(
    "1-corr^2", r"(1-\varrho^2)", "what two features do not share, 1 - corr^2", positive=True
)
first = symbol("sigma_1", r"\sigma_1", "standard deviation of the first feature", positive=True)
second = symbol("sigma_2", r"\sigma_2", "standard deviation of the second feature", positive=True)
largest_correlation = symbol(
    "max|corr|",
    r"\max_{k\ne i}|\varrho_{ki}|",
    "largest absolute correlation of two different features",
    nonnegative=True,
)
scaled_ki = symbol(
    "Hess_ki(scaled)", r"\partial_k\partial_i\ell", "Hessian of the loss, features scaled", "ki"
)
centred_ki = symbol(
    "Hess_ki(centred)",
    r"\partial_k\partial_i\ell_c",
    "Hessian of the loss, features centred but not scaled",
    "ki",
)

WORSE: Final = sp.Ge(increase, 0)
FACTOR: Final[sp.Expr] = (cond**2 - 1) / (cond**2 + 1)
STRETCH: Final[sp.Expr] = (1 + sp.Abs(correlation)) / (1 - sp.Abs(correlation))

_alpha = sp.Symbol("alpha", positive=True)
_e = sp.Symbol("e", real=True)
_s = sp.Symbol("sigma_i", positive=True)


def _best(matrix: sp.Matrix) -> sp.Expr:
    """Minimal norm of ``1 - rate A'A``; convex and piecewise linear, so attained at a kink."""
    curvatures = list((matrix.T * matrix).eigenvals())
    kinks = [1 / value for value in curvatures]
    kinks += [2 / sp.Add(*pair) for pair in combinations(curvatures, 2)]
    return sp.Min(*(sp.Max(*(abs(1 - rate * c) for c in curvatures)) for rate in kinks))


def _ratio(matrix: sp.Matrix) -> sp.Expr:
    """Gradients of ``|Ax|^2/2``, A diagonal, at unit steps along the two extreme axes."""
    sizes = [(matrix.T * matrix * sp.eye(matrix.cols).col(i)).norm() for i in range(matrix.cols)]
    return sp.Max(*sizes) / sp.Min(*sizes)


def same_condition() -> Mapping[sp.Symbol, sp.Expr]:
    """A = diag(2, 1) and A' = diag(6, 3), both of condition number 2."""
    first, second = sp.diag(2, 1), sp.diag(6, 3)
    return {
        increase: second.condition_number() ** 2 - first.condition_number() ** 2,
        best: _best(first),
        best_2: _best(second),
        ratio: _ratio(first),
        ratio_2: _ratio(second),
    }


SAME: Final = ExactCase("A = diag(2, 1) and A' = diag(6, 3)", same_condition)


def step_steps(d: Derivation) -> None:
    """Derive the factor of each error component in a step, in the singular basis."""
    d.define(
        "A = U diag(sigma_i) V'; x* solves A'(Ax - y) = 0; error e = V'(x - x*); then "
        "f(x) - f(x*) = sum_i (sigma_i e_i)^2/2",
        r"f(x) = \tfrac12\|Ax-y\|^2 = f(x^*) + \tfrac12\sum_i\sigma_i^2e_i^2,\quad "
        r"\kappa = \sigma_{\max}/\sigma_{\min}",
        "f(x) = |Ax - y|^2/2 = f(x*) + sum_i sigma_i^2 e_i^2/2, cond = sigma_max/sigma_min",
    )
    pair = Space({("a", "a"): sp.Symbol("|Ae|^2"), ("r", "r"): sp.Symbol("|r|^2"), ("a", "r"): 0})
    image, rest = pair.vector("a"), pair.vector("r")
    d.equal(
        "With r = Ax* - y, orthogonal to every A(x - x*), the square splits",
        (r"\|A(x-x^*) + r\|^2", "|A(x - x*) + r|^2"),
        (image + rest).dot(image + rest),
        image.dot(image) + rest.dot(rest),
    )
    gradient = sp.diff(_s**2 * _e**2 / 2, _e)
    d.equal(
        "The gradient along singular direction i",
        (r"\partial_i f", "df/de_i"),
        gradient,
        _s**2 * _e,
    )
    d.equal(
        "A step of gradient descent multiplies each error component by its own factor",
        (r"(e_i - \alpha\,\partial_i f)/e_i", "(e_i - alpha df/de_i)/e_i"),
        (_e - _alpha * gradient) / _e,
        1 - _alpha * _s**2,
    )
    d.value(cond, "", largest / smallest)


def factor_steps(d: Derivation) -> None:
    """Derive that the best worst-case factor is (cond^2 - 1)/(cond^2 + 1)."""
    top, low = largest**2, smallest**2
    falling, rising = 1 - _alpha * low, _alpha * top - 1
    value = (top - low) / (top + low)
    d.equal(
        "Of 1 - alpha sigma_i^2 that of the smallest singular value is the largest",
        (
            r"(1-\alpha\sigma_{\min}^2) - (1-\alpha\sigma_i^2)",
            "(1 - alpha sigma_min^2) - (1 - alpha sigma_i^2)",
        ),
        falling - (1 - _alpha * _s**2),
        _alpha * (_s - smallest) * (_s + smallest),
    )
    d.equal(
        "and of alpha sigma_i^2 - 1 that of the largest",
        (
            r"(\alpha\sigma_{\max}^2-1) - (\alpha\sigma_i^2-1)",
            "(alpha sigma_max^2 - 1) - (alpha sigma_i^2 - 1)",
        ),
        rising - (_alpha * _s**2 - 1),
        _alpha * (largest - _s) * (largest + _s),
    )
    d.define(
        "Hence the worst factor is the larger of two lines in alpha",
        r"\max_i|1-\alpha\sigma_i^2| = \max(1-\alpha\sigma_{\min}^2,\ \alpha\sigma_{\max}^2-1)",
        "max_i |1 - alpha sigma_i^2| = max(1 - alpha sigma_min^2, alpha sigma_max^2 - 1)",
    )
    d.equal(
        "A maximum is at least any weighted mean; with these weights alpha drops out, so no "
        "learning rate does better than",
        (
            r"\frac{\sigma_{\max}^2(1-\alpha\sigma_{\min}^2) + \sigma_{\min}^2"
            r"(\alpha\sigma_{\max}^2-1)}{\sigma_{\max}^2+\sigma_{\min}^2}",
            "(sigma_max^2 (1 - alpha sigma_min^2) + sigma_min^2 (alpha sigma_max^2 - 1))"
            "/(sigma_max^2 + sigma_min^2)",
        ),
        (top * falling + low * rising) / (top + low),
        value,
    )
    optimal = sp.solve(sp.Eq(falling, rising), _alpha)[0]
    d.equal(
        "The two lines cross at",
        (r"\alpha^*", "alpha*"),
        optimal,
        2 / (top + low),
    )
    d.equal(
        "There the bound is attained",
        (r"1-\alpha^*\sigma_{\min}^2", "1 - alpha* sigma_min^2"),
        falling.subs(_alpha, optimal),
        value,
    )
    d.value(
        best,
        "In terms of the condition number, sigma_max = cond sigma_min",
        value.subs(largest, cond * smallest),
        FACTOR,
    )


def worse_factor_steps(d: Derivation) -> None:
    """Derive the same for A'."""
    d.value(
        best_2,
        "The same for A'",
        FACTOR.subs(cond, cond_2),
        (cond_2**2 - 1) / (cond_2**2 + 1),
    )


def limit_steps(d: Derivation) -> None:
    """Derive that the largest stable learning rate is 2/sigma_max^2."""
    excess = _alpha * _s**2 * (_alpha * _s**2 - 2)
    d.equal(
        "Component i does not grow as long as its factor squared is at most 1",
        (r"(1-\alpha\sigma_i^2)^2 - 1", "(1 - alpha sigma_i^2)^2 - 1"),
        (1 - _alpha * _s**2) ** 2 - 1,
        excess,
    )
    bound = sp.solve(excess, _alpha)[-1]
    d.equal("So up to the learning rate", (r"\alpha_i", "alpha_i"), bound, 2 / _s**2)
    d.value(
        limit,
        "The bounds fall as sigma_i grows: all components are stable up to that of sigma_max",
        bound.subs(_s, largest),
        2 / largest**2,
    )


def ratio_steps(d: Derivation) -> None:
    """Derive that at equal errors the gradients along the extreme directions have ratio cond^2."""
    gradient = _s**2 * _e
    d.value(
        ratio,
        "With the same error e in both directions",
        (gradient.subs(_s, cond * smallest) / gradient.subs(_s, smallest)),
        cond**2,
    )
    d.value(ratio_2, "The same for A'", (cond**2).subs(cond, cond_2), cond_2**2)


def scaling_steps(d: Derivation) -> None:
    """Derive that the Hessian for scaled features is their correlation matrix."""
    space = Space({("1", "1"): m, ("1", "x"): m * mu, ("x", "x"): m * (mu**2 + sigma**2)})
    ones, raw = space.vector("1"), space.vector("x")
    scaled = (raw - ones * mu) / sigma
    d.define(
        "Feature scaling: subtract the mean of feature i, divide by its standard deviation",
        r"u_i = (x_i - \mu_i\mathbf{1})/\sigma_i",
        "u_i = (x_i - mu_i 1)/sigma_i",
    )
    d.equal(
        "Its mean", (r"\tfrac1m\langle\mathbf{1},u_i\rangle", "<1,u_i>/m"), ones.dot(scaled) / m, 0
    )
    d.equal(
        "Its mean square",
        (r"\tfrac1m\|u_i\|^2", "|u_i|^2/m"),
        scaled.dot(scaled) / m,
        sp.Integer(1),
    )
    w, v = sp.symbols("w_k w_i", real=True)
    rest = sp.symbols("<t,t> <u_k,t> <u_i,t>", real=True)
    pair = Space(
        {("k", "k"): m, ("i", "i"): m, ("k", "i"): m * correlation}
        | {("t", "t"): rest[0], ("k", "t"): rest[1], ("i", "t"): rest[2]}
    )
    fit = pair.vector("k") * w + pair.vector("i") * v - pair.vector("t")
    d.define(
        "Squared loss of a linear model, with all other weights absorbed in the target t; the "
        "correlation of two features is the mean product of the scaled ones",
        r"\ell(w) = \tfrac{1}{2m}\|w_k u_k + w_i u_i - t\|^2,\quad "
        r"\varrho_{ki} = \tfrac1m\langle u_k,u_i\rangle",
        "l(w) = |w_k u_k + w_i u_i - t|^2/(2m), corr_ki = <u_k,u_i>/m",
    )
    loss = sp.expand(fit.dot(fit) / (2 * m))
    d.equal(
        "The Hessian has 1 on the diagonal",
        (r"\partial_k^2\ell", "d2l/dw_k^2"),
        sp.diff(loss, w, 2),
        sp.Integer(1),
    )
    d.equal(
        "and the correlations off it",
        (r"\partial_k\partial_i\ell", "d2l/dw_k dw_i"),
        sp.diff(loss, w, v),
        correlation,
    )


def stretch_steps(d: Derivation) -> None:
    """Derive the two curvatures of the loss of two scaled features, and their ratio."""
    hessian = sp.Matrix([[1, correlation], [correlation, 1]])
    size = sp.Abs(correlation)
    high, low = 1 + size, 1 - size
    d.equal(
        "The curvatures 1 + |corr| and 1 - |corr| have the right product",
        (r"\det\nabla^2\ell", "det Hess"),
        hessian.det(),
        sp.expand(high * low),
    )
    d.equal("and the sum", (r"\mathrm{tr}\,\nabla^2\ell", "tr Hess"), hessian.trace(), high + low)
    d.value(stretch, "Their ratio is that of the squared half-axes", high / low, STRETCH)


def unscaled_steps(d: Derivation) -> None:
    """Derive the ratio of the curvatures for features that are centred and not scaled."""
    off = correlation * first * second
    hessian = sp.Matrix([[first**2, off], [off, second**2]])
    d.define(
        "Without scaling, feature i is sigma_i times the scaled one; the Hessian has the "
        "covariances as entries",
        r"\nabla^2\ell_c = \begin{pmatrix}\sigma_1^2 & \varrho\sigma_1\sigma_2\\ "
        r"\varrho\sigma_1\sigma_2 & \sigma_2^2\end{pmatrix}",
        "Hess_c = ((sigma_1^2, corr sigma_1 sigma_2), (corr sigma_1 sigma_2, sigma_2^2))",
    )
    high, low = sp.symbols("high low", positive=True)
    d.equal(
        "The ratio of two curvatures and its inverse add up to what sum and product determine",
        (r"\tfrac{h}{l} + \tfrac{l}{h}", "h/l + l/h"),
        high / low + low / high,
        ((high + low) ** 2 - 2 * high * low) / (high * low),
    )
    sums = hessian.trace()
    products = first**2 * second**2 * unshared
    d.equal(
        "Its determinant, for features that are not multiples of each other",
        (r"\det\nabla^2\ell_c", "det Hess_c"),
        hessian.det().subs(correlation**2, 1 - unshared),
        products,
    )
    d.value(
        uneven,
        "Insert trace and determinant",
        (sums**2 - 2 * products) / products,
        (first**2 + second**2) ** 2 / (first**2 * second**2 * unshared) - 2,
    )


def uncorrelated_steps(d: Derivation) -> None:
    """Derive that the Hessian of uncorrelated features is the identity, for any number of them."""
    general = delta_ki + (1 - delta_ki) * correlation
    d.value(
        scaled_ki,
        "Both cases in one formula, delta + (1 - delta) corr; with all correlations 0",
        general.subs(correlation, 0),
        delta_ki,
    )
