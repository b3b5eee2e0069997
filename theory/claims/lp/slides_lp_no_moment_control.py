"""What l_p normalisation does not control: the variance of its output."""

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.claims.lp.slides_lp_scale import PRINTED
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.groups import JENSEN, S, c_n, c_S, p, t, var_n
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import eps, m, mu, sigma


def prove() -> DerivationResult:
    """Derive the variance of the output for symbolic p; a shift of y makes it tend to 0."""
    d = Derivation()
    groups.moment_steps(d)
    y, one = groups.MOMENTS.vector("y"), groups.MOMENTS.vector("1")
    n = (y - one * mu) / S
    d.equal(
        "The first moment is controlled: the numerator is centred",
        (r"\tfrac1m\langle\mathbf{1}, n\rangle", "<1,n>/m"),
        sp.expand(one.dot(n) / m),
        sp.Integer(0),
    )
    variance = sigma**2 / S**2
    d.value(
        var_n,
        "So the variance of the output, before gamma, is",
        sp.expand(n.dot(n) / m),
        variance,
    )
    d.cite(
        "For p >= 1 a power mean is at least the absolute mean: S^2 - mu^2 is not negative",
        JENSEN.theorem,
        r"S = \Big(\tfrac1m\sum_i|y_i|^p\Big)^{1/p} \ge |\mu|",
        "S = (sum_i |y_i|^p/m)^(1/p) >= |mu|",
    )
    d.equal(
        "Add a constant t to y: mu becomes mu + t, the numerator does not change, and the bound on "
        "the variance tends to 0",
        (r"\lim_{t\to\infty} \frac{\sigma^2}{(\mu+t)^2}", "lim sigma^2/(mu + t)^2"),
        sp.limit(sigma**2 / (mu + t) ** 2, t, sp.oo),
        sp.Integer(0),
    )
    slack = Term(var_n, "a variance", JENSEN.name)
    return d.finish([slack])


def one_sign() -> dict[sp.Symbol, sp.Expr]:
    """The printed l_1 scale of y = (1, 3), from the definition."""
    y = (sp.Integer(1), sp.Integer(3))
    mean, scale = sum(y) / 2, sum(map(abs, y)) / 2
    n = [(entry - mean) / scale for entry in y]
    return {
        p: sp.Integer(1),
        c_n: sp.Integer(1),
        c_S: sp.Integer(0),
        eps: sp.Integer(0),
        mu: mean,
        sigma: sp.sqrt(sum((entry - mean) ** 2 for entry in y) / 2),
        var_n: sum(entry**2 for entry in n) / 2,
    }


CLAIM = Claim(
    id="slides_lp_no_moment_control",
    title="l_p normalisation as printed does not control the variance of its output.",
    relation=sp.Le(mu**2 * var_n, sigma**2),
    domain=sp.And(PRINTED, sp.Ge(p, 1)),
    control=sp.Eq(var_n, 1),
    checks=(
        Proof(prove, attained=ExactCase("p = 1, y = (1, 3)", one_sign)),
        RandomTest(sampler="normalizers"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "The relation makes it precise: adding a constant to y does not change sigma but increases "
        "mu^2, so the variance of the output can be arbitrarily small for every p from 1 to "
        "infinity, including p = 2. Only the first moment, by centring, and the mean of "
        "|y_i/C|^p, which is 1, are controlled. With the scale of the centred y the p-th absolute "
        "moment of the output is 1, so the variance is 1 at p = 2 and only bounded otherwise. The "
        "control is that the variance is 1."
    ),
)
