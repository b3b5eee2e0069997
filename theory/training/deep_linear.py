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
    total, weight, part = sp.symbols("S w_i x_i", real=True)
    before, mean, mean_before = sp.symbols("Var(S) E(w_i) E(S)", real=True)
    d.define(
        "The weights of a unit are independent and have one variance; S is the sum of the terms "
        "before w_i x_i, which is therefore independent of w_i",
        r"\mathbb{E}(S w_i) = \mathbb{E}(S)\,\mathbb{E}(w_i)",
        "E(S w_i) = E(S) E(w_i)",
    )
    moments = {
        total**2: before + mean_before**2,
        weight**2: spread + mean**2,
        total * weight: mean_before * mean,
    }
    square = sp.expand((total + weight * part) ** 2)
    expected = sum(
        coefficient * moments[total**a * weight**b]
        for (a, b), coefficient in sp.Poly(square, total, weight).terms()
    )
    d.equal(
        "One more term adds its own variance: Var is the mean square less the squared mean, and E "
        "is linear",
        (r"\mathrm{Var}(S + w_i x_i)", "Var(S + w_i x_i)"),
        expected - (mean_before + mean * part) ** 2,
        before + spread * part**2,
    )
    d.equal(
        "With every term Var w |x|^2, which is 0 without any, grows by the same: they are equal",
        (
            r"\mathrm{Var}\,w\,(\|x\|^2 + x_i^2) - \mathrm{Var}\,w\,\|x\|^2",
            "Var w (|x|^2 + x_i^2) - Var w |x|^2",
        ),
        sp.expand(spread * (squares_in + part**2) - spread * squares_in),
        spread * part**2,
    )
    d.value(spread_out, "", spread * squares_in)


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
        "P is the product of the matrices after A_i, q what those before it make of x",
        r"P = A_t\cdots A_{i+1},\quad q = A_{i-1}\cdots A_1x",
        "P = A_t...A_{i+1}, q = A_{i-1}...A_1 x",
    )
    before, at, move, inner, target = sp.symbols("P A_i D q y", commutative=False)
    d.equal(
        "The residual is an affine function of A_i, with r = P A_i q - y",
        (r"P(A_i + tD)q - y", "P (A_i + t D) q - y"),
        sp.expand(before * (at + t * move) * inner - target),
        (before * at * inner - target) + t * before * move * inner,
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
