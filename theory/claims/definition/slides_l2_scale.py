"""The scale that 'typical BatchNorm' divides by, as the slides print it."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.layer import definition as layer_definition
from bnproof.theory.layer.batchnorm import centre
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.symbols import centred_norm, m, sigma


def prove() -> DerivationResult:
    """The definition of the variance, read as a norm."""
    d = Derivation()
    layer_definition.define(d)
    square = sp.expand(centre(layer_definition.Y).dot(centre(layer_definition.Y)))
    d.equal(
        "The squared norm of the centred batch",
        (r"\|y - \mu\mathbf{1}\|^2", "|y - mu 1|^2"),
        square,
        m * sigma**2,
    )
    d.value(centred_norm, "Take the root", sp.sqrt(square), sigma * sp.sqrt(m))
    d.equal(
        "so the printed scale is too small by the square root of the batch size",
        (r"C = \tfrac1m\|y - \mu\mathbf{1}\|", "C = |y - mu 1|/m"),
        sp.sqrt(square) / m,
        sigma / sp.sqrt(m),
    )
    return d.finish()


CLAIM = Claim(
    id="slides_l2_scale",
    title="Typical batch normalisation divides by the l2 norm of the centred batch over B.",
    statement=(
        r"\hat{y} = \gamma\,\frac{y - \hat\mu}{C} + \beta,\quad "
        r"\hat\mu = \frac1B\sum_{i=1}^B y_i,\quad C = \frac1B\|y - \hat\mu\|_2"
    ),
    relation=sp.Eq(sigma, centred_norm / m),
    control=sp.Eq(sigma, centred_norm / sp.sqrt(m)),
    checks=(
        Counterexample.of(y=[-1, 1], b=[0, 0]),
        Proof(prove, of_control=True),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "Printed C is sigma/sqrt(B); the layer divides by sigma, which is the control. "
        "With the printed C every activation would be sqrt(B) times as large, and the scale would "
        "disagree with the slides' own l_p norm at p = 2, ((1/B) sum |y_i|^2)^(1/2). "
        "The relation is false for every B > 1."
    ),
)
