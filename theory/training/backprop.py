"""Gradients of cross-entropy at the logits and of a convolution at its kernel, symbolic sizes.

Sums over classes, channels, images and positions have symbolic limits; a derivative with respect
to one indexed entry introduces Kronecker deltas, and summing over a delta selects one term.
"""

from typing import Final

import sympy as sp
from sympy.concrete.delta import deltasummation

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.symbols import latex, symbol, text

# Cross-entropy of one image, S3 figure 6.
classes = symbol("n_classes", "n", "number of classes", integer=True, positive=True)
negative_true = symbol(
    "negative at true class",
    r"\big[\tfrac{\partial L_b}{\partial O_{b,c}} < 0\big]",
    "1 if the gradient at the logit of the true class c is negative, else 0",
)
negative_other = symbol(
    "negative at others",
    r"\#\big\{j \ne c: \tfrac{\partial L_b}{\partial O_{b,j}} < 0\big\}",
    "number of negative gradients at logits of other classes",
)
row_sum = symbol(
    "sum_j dL_b/dO_bj",
    r"\sum_j\tfrac{\partial L_b}{\partial O_{b,j}}",
    "sum of the gradients of one image over all logits",
)

# Convolution, S3 (3) and (4); entries of the kernel are numbered by one index.
kernel_gradient = symbol(
    "dL/dK", r"\frac{\partial L}{\partial K_{o,i,x',y'}}", "gradient at an entry of the kernel", "k"
)
correlation = symbol(
    "sum_bxy dL/dO*I(x+x',y+y')",
    r"\sum_{b,x,y}\frac{\partial L}{\partial O_{b,o,x,y}} I_{b,i,x+x',y+y'}",
    "gradient at the output against the shifted input",
    "k",
)
flipped = symbol(
    "sum_bxy dL/dO*I(x-x',y-y')",
    r"\sum_{b,x,y}\frac{\partial L}{\partial O_{b,o,x,y}} I_{b,i,x-x',y-y'}",
    "the same with the input shifted the other way",
    "k",
)

_j, _k, _c = sp.symbols("j k c", integer=True, positive=True)
_O = sp.IndexedBase("O", real=True)
_Z: Final = sp.Sum(sp.exp(_O[_j]), (_j, 1, classes))


def _pick(total: sp.Sum) -> sp.Expr:
    """Evaluate a sum over Kronecker deltas whose indices are within the limits."""
    for limit in total.limits:
        total = deltasummation(
            total.function if isinstance(total, sp.Sum) else total, limit, no_piecewise=True
        )
    return total


def softmax_steps(d: Derivation) -> None:
    """Derive that the gradient at the logits is softmax minus one-hot."""
    d.define(
        "Cross-entropy of an image of class c with logits O_1, ..., O_n (its index b left out)",
        r"L = \log Z - O_c,\quad Z = \sum_{j=1}^{n} e^{O_j}",
        "L = log Z - O_c, Z = sum_j exp(O_j)",
    )
    picked = sp.diff(_Z, _O[_k])
    d.equal(
        "The derivative of Z selects one term",
        (r"\frac{\partial Z}{\partial O_k}", "dZ/dO_k"),
        _pick(picked),
        sp.exp(_O[_k]),
    )
    d.equal(
        "So the gradient is softmax minus one-hot, p_k - delta_ck with p_k = exp(O_k)/Z",
        (r"\frac{\partial L}{\partial O_k}", "dL/dO_k"),
        sp.diff(sp.log(_Z), _O[_k]).subs(picked, _pick(picked)) - sp.diff(_O[_c], _O[_k]),
        sp.exp(_O[_k]) / _Z - sp.KroneckerDelta(_c, _k),
    )


def sign_steps(d: Derivation) -> None:
    """Derive that the entry of the true class is negative and all others are positive."""
    own, rest, other = sp.symbols("e_c rest e_j", positive=True)
    at_true, at_other = -rest / (own + rest), other / (own + rest)
    d.define(
        "Let e_j = exp(O_j) > 0 and rest the sum of all e_j but e_c, positive as n > 1",
        r"Z = e_c + \mathrm{rest}",
        "Z = e_c + rest",
    )
    d.equal(
        "At the true class",
        (r"\frac{\partial L}{\partial O_c}", "dL/dO_c"),
        own / (own + rest) - 1,
        at_true,
    )
    d.value(
        negative_true,
        "This is negative, whatever the logits",
        sp.Piecewise((1, at_true < 0), (0, True)),
        sp.Integer(1),
    )
    d.value(
        negative_other,
        "At the n - 1 other classes the gradient e_j/Z is positive: none is negative",
        sp.Sum(sp.Piecewise((1, at_other < 0), (0, True)), (_k, 1, classes - 1)).doit(),
        sp.Integer(0),
    )


def row_sum_steps(d: Derivation) -> None:
    """Derive that each row of the gradient sums to 0, as softmax and one-hot both sum to 1."""
    one_hot = _pick(sp.Sum(sp.KroneckerDelta(_c, _j), (_j, 1, classes)))
    d.equal("One-hot sums to 1", (r"\sum_j\delta_{cj}", "sum_j delta_cj"), one_hot, sp.Integer(1))
    d.value(
        row_sum,
        "Softmax sums to Z/Z = 1 as well",
        sp.Sum(sp.exp(_O[_j]), (_j, 1, classes)) / _Z - one_hot,
        sp.Integer(0),
    )


def convolution_steps(d: Derivation) -> None:
    """Derive (4) from (3) by the chain rule, for symbolic sizes and kernels of radius rho."""
    b, c, o, i, u, v, x, y, p, q = sp.symbols("b c o i u v x y x' y'", integer=True)
    channel = sp.Symbol("c'", integer=True)
    images, inputs, outputs, width, height = sp.symbols(
        "N_b N_i N_o N_x N_y", integer=True, positive=True
    )
    radius = sp.Symbol("rho", integer=True, nonnegative=True)
    image, kernel, back = (sp.IndexedBase(name, real=True) for name in ("I", "K", "G"))
    window = ((v, -radius, radius), (u, -radius, radius), (channel, 1, inputs))
    output = sp.Sum(image[b, channel, x + u, y + v] * kernel[c, channel, u, v], *window)
    d.define(
        "Definition (3): a cross-correlation; outside the image I has a padding value, such as 0, "
        "and S is the square of radius rho (1 in S3)",
        r"O_{b,c,x,y} = \sum_{c'}\sum_{x',y'\in S} I_{b,c',x+x',y+y'}K_{c,c',x',y'}",
        "O_bcxy = sum_c' sum_(x',y' in S) I_(b,c',x+x',y+y') K_(c,c',x',y')",
    )
    picked = _pick(sp.diff(output, kernel[o, i, p, q]))
    d.equal(
        "Differentiate (3): the sums select the entry's own channel and shift",
        (
            r"\frac{\partial O_{b,c,x,y}}{\partial K_{o,i,x',y'}}",
            "dO_(b,c,x,y)/dK_(o,i,x',y')",
        ),
        picked,
        sp.KroneckerDelta(c, o) * image[b, i, x + p, y + q],
    )
    chain = _pick(sp.Sum(back[b, c, x, y] * picked, (c, 1, outputs)))
    everywhere = ((b, 1, images), (x, 1, width), (y, 1, height))
    d.equal(
        "Chain rule over all entries of O, with G = dL/dO: only output channel o remains, which "
        "gives the sum of (4)",
        (latex(kernel_gradient), text(kernel_gradient)),
        sp.Sum(chain, *everywhere),
        sp.Sum(back[b, o, x, y] * image[b, i, x + p, y + q], *everywhere),
    )
    d.value(kernel_gradient, "", correlation)
