"""The scale that the slides print for l_p batch normalisation, at p = 2."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.groups import S, c_n, c_S, p
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
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
        "At p = 2 the printed scale is the root mean square of y itself",
        sp.sqrt(sp.expand(y.dot(y) / m)),
        sp.sqrt(mu**2 + sigma**2),
    )
    d.equal(
        "It moves when y does not change but for a constant, where sigma does not: along y + t1",
        (r"\frac{d}{dt}\sqrt{(\mu+t)^2+\sigma^2}\,\Big|_{t=0}", "d sqrt((mu + t)^2 + sigma^2)/dt"),
        sp.diff(sp.sqrt((mu + groups.t) ** 2 + sigma**2), groups.t).subs(groups.t, 0),
        mu / sp.sqrt(mu**2 + sigma**2),
    )
    return d.finish()


CLAIM = Claim(
    id="slides_lp_scale",
    title="The printed l_p scale is of the uncentred y: at p = 2, sqrt(sigma^2 + mu^2), not sigma.",
    sources=(Source("S0", "'Are these effects unique to BatchNorm?', l_p BatchNorm"),),
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
        "The relation is what the printed definition says at p = 2 (B is m, C is S). So l_2 "
        "BatchNorm as printed is BatchNorm only where mu = 0; in the words of A18, section 3.3, "
        "the norm is taken before the mean is shifted. The power mean is B^(-1/p) times the l_p "
        "norm that the slide equates it with. The control has sigma for the scale."
    ),
)
