"""Definition of the layer from the raw batch: moments, both denominators, moments of yhat.

The derivations in `bnproof.theory.layer.batchnorm` start from yhat; those here start from the sum
and the squared norm of the batch y.  `RAW` uses these directly, `BATCH` writes them in terms of
mean and variance.
"""

import sympy as sp

from bnproof.theory.layer.batchnorm import centre, mean, normalise, variance
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space, Vector
from bnproof.theory.symbols import (
    beta,
    eps,
    gamma,
    hat_gap,
    hat_mean,
    hat_norm,
    hat_std,
    m,
    mu,
    s,
    sigma,
    y_k,
    yhat_k,
    yy,
)

RAW = Space({("1", "1"): m, ("1", "y"): m * mu, ("y", "y"): yy})
BATCH = Space({("1", "1"): m, ("1", "y"): m * mu, ("y", "y"): m * (mu**2 + sigma**2)})
ONE, Y = BATCH.vector("1"), BATCH.vector("y")
ENTRIES = {"1": sp.Integer(1), "y": y_k}

# The layer of Ioffe and Szegedy, of S1, S3 and every framework; and the layer of S0.
ROOT_FORM = (y_k - mu) / sp.sqrt(sigma**2 + eps)
SLIDES_FORM = (y_k - mu) / (sigma + eps)


def named(u: Vector) -> Vector:
    """Write s for ``sqrt(sigma**2 + eps)``."""
    return u.map(lambda part: part.subs(eps, s**2 - sigma**2))


def hat() -> Vector:
    """``yhat`` from the definition, with s for ``sqrt(sigma**2 + eps)``."""
    return named(normalise(Y))


def define(d: Derivation) -> None:
    """Define the batch statistics."""
    d.define(
        "Definition of the batch statistics, with 1/m (the slides write B for m)",
        r"\mu = \tfrac1m\sum_{i=1}^m y_i = \tfrac1m\langle \mathbf{1}, y\rangle,\quad "
        r"\sigma^2 = \tfrac1m\sum_{i=1}^m (y_i-\mu)^2 = \tfrac1m\|y - \mu\mathbf{1}\|^2",
        "mu = (1/m) sum_i y_i = <1,y>/m, sigma^2 = (1/m) sum_i (y_i - mu)^2 = |y - mu 1|^2/m",
    )


def moment_steps(d: Derivation) -> None:
    """Derive that the biased variance is the mean square minus the squared mean."""
    define(d)
    d.equal(
        "Expand the square, with <1,y> = m mu",
        (r"\tfrac1m\|y - \mu\mathbf{1}\|^2", "|y - mu 1|^2/m"),
        variance(RAW.vector("y")),
        yy / m - mu**2,
    )
    unknown = sp.solve(sp.Eq(variance(RAW.vector("y")), sigma**2), yy)
    d.value(yy, "Call it sigma^2 and solve for |y|^2", unknown[0], m * (mu**2 + sigma**2))


def bias_steps(d: Derivation) -> None:
    """Derive the expectation of the biased variance over batches of independent samples."""
    var, expected = sp.symbols("V E")
    same = m * (var + expected**2)
    d.define(
        "Over batches of independent samples of mean E and variance V",
        r"\mathbb{E}\,y_i^2 = V + E^2,\quad \mathbb{E}\,y_iy_j = E^2\ (i \ne j)",
        "E y_i^2 = V + E^2, E y_i y_j = E^2 for i != j",
    )
    square = (same + m * (m - 1) * expected**2) / m**2
    d.equal(
        "The squared mean, m terms with i = j and m(m-1) without",
        (r"\mathbb{E}\,\mu^2", "E mu^2"),
        square,
        var / m + expected**2,
    )
    d.equal(
        "sigma^2 is biased: its expectation is",
        (r"\mathbb{E}\,\sigma^2", "E sigma^2"),
        same / m - square,
        var * (1 - 1 / m),
    )


def layer_steps(d: Derivation) -> None:
    """Derive ``yhat`` of the layer with eps under the root, entry by entry."""
    d.define(
        "Definition of the layer, from the batch y alone",
        r"\mu = \tfrac1m\langle \mathbf{1}, y\rangle,\quad "
        r"\sigma^2 = \tfrac1m\|y - \mu\mathbf{1}\|^2,\quad "
        r"\hat y = (y - \mu\mathbf{1})/s,\quad s = \sqrt{\sigma^2+\varepsilon},\quad "
        r"z = \gamma\hat y + \beta\mathbf{1}",
        "mu = <1,y>/m, sigma^2 = |y - mu 1|^2/m, yhat = (y - mu 1)/s, s = sqrt(sigma^2 + eps), "
        "z = gamma yhat + beta 1",
    )
    d.vectors(
        "Centring subtracts mu from every sample",
        r"y - \tfrac1m\langle \mathbf{1}, y\rangle\mathbf{1} = y - \mu\mathbf{1}",
        "y - <1,y>/m 1 = y - mu 1",
        centre(Y),
        Y - ONE * mu,
    )
    d.equal(
        "The biased variance that is divided by",
        (r"\tfrac1m\|y - \mu\mathbf{1}\|^2", "|y - mu 1|^2/m"),
        variance(Y),
        sigma**2,
    )
    d.value(yhat_k, "Divide, and take component k", hat().entry(ENTRIES), (y_k - mu) / s)


def hat_moment_steps(d: Derivation) -> None:
    """Derive mean and standard deviation of ``yhat``, and of z after gamma and beta."""
    layer_steps(d)
    d.value(hat_mean, "yhat has mean 0", mean(hat()), sp.Integer(0))
    d.equal(
        "Its variance is that of y over s^2",
        (r"\tfrac1m\|\hat y\|^2", "|yhat|^2/m"),
        variance(hat()),
        sigma**2 / s**2,
    )
    d.value(hat_std, "So its standard deviation is", sp.sqrt(variance(hat())), sigma / s)
    z = gamma * hat() + beta * ONE
    d.equal("After gamma and beta the mean is", (r"\mathrm{mean}(z)", "mean(z)"), mean(z), beta)
    d.equal(
        "and the standard deviation",
        (r"\mathrm{std}(z)", "std(z)"),
        sp.sqrt(sp.factor(variance(z))),
        sp.Abs(gamma) * sigma / s,
    )


def denominator_steps(d: Derivation) -> None:
    """Compare sigma + eps with s: either can be the larger one."""
    d.equal(
        "The squares of the two denominators",
        (r"s^2 - (\sigma+\varepsilon)^2", "s^2 - (sigma+eps)^2"),
        sigma**2 + eps - (sigma + eps) ** 2,
        eps * (1 - 2 * sigma - eps),
    )
    share = eps * (1 - 2 * sigma - eps) / ((sigma + eps) * (s + sigma + eps))
    d.equal(
        "so the slides' layer is 1 + c times the one with the root, where",
        (r"c = \tfrac{s}{\sigma+\varepsilon} - 1", "c = s/(sigma+eps) - 1"),
        (s / (sigma + eps) - 1).subs(s, sp.sqrt(sigma**2 + eps)),
        share.subs(s, sp.sqrt(sigma**2 + eps)),
        shown=share,
    )


def gap_steps(d: Derivation) -> None:
    """Derive the distance between the two layers, after `denominator_steps`."""
    factor = s / (sigma + eps) - 1
    d.vectors(
        "The difference of the two is a multiple of yhat",
        r"\hat y_S - \hat y = \frac{y-\mu\mathbf{1}}{\sigma+\varepsilon} - \hat y = c\,\hat y",
        "yhat_S - yhat = (y - mu 1)/(sigma + eps) - yhat = c yhat",
        centre(Y) / (sigma + eps) - hat(),
        hat() * factor,
    )
    norm = sp.sqrt(sp.simplify(hat().dot(hat())))
    d.value(hat_norm, "The norm of yhat", norm, sigma * sp.sqrt(m) / s)
    top = sp.Abs(eps * (1 - 2 * sigma - eps))
    d.value(
        hat_gap,
        "so the distance of the two layers is |c| times that",
        top / ((sigma + eps) * (s + sigma + eps)) * norm,
        top / ((sigma + eps) * (s + sigma + eps)) * sigma * sp.sqrt(m) / s,
    )
