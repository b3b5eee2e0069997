"""The scale that the slides print for l_p batch normalisation, at p = 2."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.groups import S, c_n, c_S, p
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import eps, m, mu, sigma

# As printed: numerator centred, scale not.
PRINTED = sp.And(sp.Eq(c_n, 1), sp.Eq(c_S, 0), sp.Eq(eps, 0))


def prove() -> DerivationResult:
    """Derive the printed scale at p = 2 from mean and variance of y."""
    d = Derivation()
    groups.moment_steps(d)
    y = groups.MOMENTS.vector("y")
    d.value(
        S,
        "At p = 2 the printed scale is the root mean square of y",
        sp.sqrt(sp.expand(y.dot(y) / m)),
        sp.sqrt(mu**2 + sigma**2),
    )
    d.equal(
        "Unlike sigma, it changes when a constant is added to y: along y + t1",
        (r"\frac{d}{dt}\sqrt{(\mu+t)^2+\sigma^2}\,\Big|_{t=0}", "d sqrt((mu + t)^2 + sigma^2)/dt"),
        sp.diff(sp.sqrt((mu + groups.t) ** 2 + sigma**2), groups.t).subs(groups.t, 0),
        mu / sp.sqrt(mu**2 + sigma**2),
    )
    return d.finish()


CLAIM = Claim(
    id="slides_lp_scale",
    title="The printed l_p scale is of the uncentred y: at p = 2, sqrt(sigma^2 + mu^2), not sigma.",
    statement=(
        r"\hat{y} = \gamma \frac{y - \hat{\mu}}{C} + \beta,\quad "
        r"C = \|y\|_p = \Big(\frac{1}{B}\sum_{i=1}^B |y_i|^p\Big)^{1/p}"
    ),
    relation=sp.Eq(S, sp.sqrt(mu**2 + sigma**2)),
    domain=sp.And(PRINTED, sp.Eq(p, 2)),
    control=sp.Eq(S, sigma),
    checks=(Proof(prove), RandomTest(sampler="normalizers")),
    expected=Verdict.PROVED,
    remark=(
        "The relation is the printed definition at p = 2 (B is m, C is S). So l_2 BatchNorm as "
        "printed is BatchNorm only if mu = 0; in the words of A18, section 3.3, the norm is taken "
        "before the mean is shifted. The power mean is B^(-1/p) times the l_p norm, with which the "
        "slide equates it. The control has sigma as the scale."
    ),
)
