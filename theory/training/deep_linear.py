"""The toy model of S3, section 5: a linear network at initialisation, and one layer at a time.

The loss is ``|A_t ... A_1 x - y|^2``.  For the initialisation one unit ``sum_i w_i x_i`` is enough.
"""

from typing import Final

import sympy as sp

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space
from bnproof.theory.symbols import symbol

inputs = symbol("n_in", "n", "number of inputs of a unit", integer=True, positive=True)
low = symbol("w_low", r"w_-", "smaller value of a two-valued weight")
high = symbol("w_high", r"w_+", "larger value of a two-valued weight")
chance = symbol("p(w_high)", "p", "probability of the larger value", positive=True)
spread = symbol("Var w", r"\mathrm{Var}\,w", "variance of a random weight", positive=True)
squares_in = symbol("|x|^2", r"\|x\|^2", "sum of the squared inputs of a unit", nonnegative=True)
spread_out = symbol(
    "Var_w(w.x)",
    r"\mathrm{Var}_w\,\langle w, x\rangle",
    "variance of a unit's output over its random weights, inputs fixed",
    nonnegative=True,
)

loss_at = symbol("f(A)", "f(A_i)", "loss as a function of one layer's matrix", nonnegative=True)
loss_moved = symbol(
    "f(A+D)", "f(A_i+D)", "the loss after a change D of that matrix", nonnegative=True
)
slope = symbol("f'(A)[D]", "f'(A_i)[D]", "derivative of the loss along D")
bend = symbol("f''(A)[D,D]", "f''(A_i)[D,D]", "second derivative of the loss along D")

# Probability of the larger value that gives the variance 1/n, for values at least 2/sqrt(n) apart.
CHANCE: Final[sp.Expr] = (1 - sp.sqrt(1 - 4 / (inputs * (high - low) ** 2))) / 2


def two_value_steps(d: Derivation) -> None:
    """Derive the variance of a weight that has two values."""
    d.define(
        "A weight is w_+ with probability p and w_- otherwise, p chosen as",
        r"p = \tfrac12\Big(1 - \sqrt{1 - \tfrac{4}{n(w_+-w_-)^2}}\Big)",
        "p = (1 - sqrt(1 - 4/(n (w_+ - w_-)^2)))/2",
    )
    mean = CHANCE * high + (1 - CHANCE) * low
    d.value(
        spread,
        "Its variance is E w^2 - (E w)^2",
        sp.simplify(sp.expand(CHANCE * high**2 + (1 - CHANCE) * low**2 - mean**2)),
        1 / inputs,
    )


def unit_steps(d: Derivation) -> None:
    """Derive the variance of a unit's output over independent weights of one variance."""
    i, j = sp.symbols("i j", integer=True, positive=True)
    x = sp.IndexedBase("x", real=True)
    d.define(
        "The weights of a unit are independent and have one variance, so their covariances are 0 "
        "off the diagonal; the variance of a sum is the double sum over the covariances",
        r"\mathrm{Var}\sum_i w_i x_i = \sum_{i,j}\mathrm{Cov}(w_i, w_j)\,x_i x_j",
        "Var sum_i w_i x_i = sum_ij Cov(w_i, w_j) x_i x_j",
    )
    delta = sp.KroneckerDelta(i, j)
    d.equal(
        "Row i of the double sum has one term",
        (r"\sum_j \mathrm{Cov}(w_i,w_j)\,x_i x_j", "sum_j Cov(w_i, w_j) x_i x_j"),
        sp.concrete.delta.deltasummation(
            spread * delta * x[i] * x[j], (j, 1, inputs), no_piecewise=True
        ),
        spread * x[i] ** 2,
    )
    d.value(spread_out, "Sum over i", spread * squares_in, spread * squares_in)


residual_square = symbol(
    "|r|^2", r"\|r\|^2", "squared residual r = A_t...A_1 x - y", nonnegative=True
)
change_square = symbol(
    "|PDq|^2", r"\|PDq\|^2", "squared change of the output by D", nonnegative=True
)
both = symbol("<r,PDq>", r"\langle r, PDq\rangle", "inner product of residual and change")
RESIDUAL: Final = Space({("r", "r"): residual_square, ("c", "c"): change_square, ("r", "c"): both})


def one_layer_steps(d: Derivation) -> None:
    """Derive the loss along a change of one matrix, all others fixed."""
    t = sp.Symbol("t", real=True)
    r, change = RESIDUAL.vector("r"), RESIDUAL.vector("c")
    d.define(
        "With P the layers after A_i and q the output of those before it, the residual is an "
        "affine function of A_i",
        r"P(A_i + tD)q - y = r + t\,PDq,\quad r = PA_iq - y",
        "P (A_i + t D) q - y = r + t PDq, r = P A_i q - y",
    )
    along = (r + change * t).dot(r + change * t)
    d.value(loss_at, "The loss at A_i", along.subs(t, 0), residual_square)
    d.value(slope, "Its derivative along D", sp.diff(along, t).subs(t, 0), 2 * both)
    d.value(
        bend,
        "and the second one, which does not depend on A_i",
        sp.diff(along, t, 2),
        2 * change_square,
    )
    d.value(
        loss_moved,
        "The loss at A_i + D",
        sp.expand(along.subs(t, 1)),
        residual_square + 2 * both + change_square,
    )
