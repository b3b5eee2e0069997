"""Recovering the input: gamma = sqrt(Var) undoes the layer only at eps = 0."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import definition as layer_definition
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import REGULAR, mu, s, sigma, y_k, yhat_k


def prove() -> DerivationResult:
    """Substitute gamma = sigma, then gamma = s, into the layer with beta = mu."""
    d = Derivation()
    layer_definition.layer_steps(d)
    yhat = layer_definition.hat().entry(layer_definition.ENTRIES)
    d.equal(
        "With gamma = sigma, beta = mu the output differs from the input by",
        (r"\sigma\hat y_k + \mu - y_k", "sigma yhat_k + mu - y_k"),
        sigma * yhat + mu - y_k,
        -(1 - sigma / s) * (y_k - mu),
    )
    d.equal(
        "With gamma = s, beta = mu it returns its input",
        (r"s\,\hat y_k + \mu", "s yhat_k + mu"),
        s * yhat + mu,
        y_k,
    )
    return d.finish()


CLAIM = Claim(
    id="report_identity_recovery",
    title="With gamma = sqrt(Var) and beta = E the layer returns its input.",
    relation=sp.Eq(sigma * yhat_k + mu, y_k),
    domain=REGULAR,
    control=sp.Eq(s * yhat_k + mu, y_k),
    checks=(
        Counterexample.of(y=[-1, 1], b=[0, 0], eps=3),
        Proof(prove, of_control=True),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "The report's own algorithm has eps > 0: then the input is returned with deviations from "
        "the mean reduced by the factor sigma/s. Exact recovery needs gamma = sqrt(Var + eps), "
        "the control, which is proved here; at eps = 0 both agree. Var and E are those of the "
        "batch: with moments of the whole data set the input is not recovered either."
    ),
)
