"""Internal covariate shift of a layer: its symbols, and what its definition implies.

The definition itself is `bnproof.theory.training.smoothness.internal_covariate_shift`.
"""

import sympy as sp

from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space
from bnproof.theory.symbols import symbol
from bnproof.theory.training.smoothness import mixed

shift = symbol("|G-G'|", r"\|G-G'\|", "internal covariate shift of a layer", nonnegative=True)
cosine = symbol("cos(G,G')", r"\cos(G,G')", "cosine between the two gradients of the definition")
usual = symbol("|G|", r"\|G\|", "length of the gradient of a simultaneous update", nonnegative=True)
shifted = symbol(
    "|G'|", r"\|G'\|", "length of the gradient after the previous layers' update", nonnegative=True
)
first_shift = symbol(
    "|G_1-G_1'|", r"\|G_1-G_1'\|", "internal covariate shift of the first layer", nonnegative=True
)
full_shift = symbol(
    "|G_1-G_1(t+1)|",
    r"\|G_1^{(t)}-G_1^{(t+1)}\|",
    "change of the first layer's gradient when every layer is updated",
    nonnegative=True,
)

product = symbol("<G,G'>", r"\langle G,G'\rangle", "inner product of the two gradients")
GRADIENTS = Space({("G", "G"): usual**2, ("G'", "G'"): shifted**2, ("G", "G'"): product})


def shift_steps(d: Derivation) -> None:
    """Derive the squared distance in terms of lengths and cosine."""
    before, after = GRADIENTS.vector("G"), GRADIENTS.vector("G'")
    d.define(
        "Definition, G and G' taken on the same batch, and the cosine",
        r"G = \nabla_{W_i}\mathcal L(W^{(t)}),\quad G' = \nabla_{W_i}\mathcal L("
        r"W_1^{(t+1)},\ldots,W_{i-1}^{(t+1)},W_i^{(t)},\ldots,W_k^{(t)}),\quad "
        r"\cos(G,G') = \frac{\langle G,G'\rangle}{\|G\|\|G'\|}",
        "G = grad_i L(W(t)), G' = grad_i L(W_1(t+1), ..., W_(i-1)(t+1), W_i(t), ..., W_k(t)), "
        "cos(G,G') = <G,G'>/(|G||G'|)",
    )
    direction = product / (usual * shifted)
    squared = (before - after).dot(before - after)
    d.equal(
        "Expand the square",
        (r"\|G-G'\|^2", "|G-G'|^2"),
        squared,
        usual**2 + shifted**2 - 2 * usual * shifted * direction,
        shown=usual**2 + shifted**2 - 2 * usual * shifted * cosine,
    )
    d.value(
        cosine,
        "So the cosine is known from the three lengths",
        direction.subs(product, sp.solve(squared - shift**2, product)[0]),
        (usual**2 + shifted**2 - shift**2) / (2 * usual * shifted),
    )


def first_layer_steps(d: Derivation) -> None:
    """Derive that the first layer has no shift, as no layer precedes it."""
    before, after = sp.symbols("W_1 W_2 W_3"), sp.symbols("W_1' W_2' W_3'")
    gradient = sp.Function("G_1")
    d.define(
        "G' of layer i is the gradient where the layers before it are updated, which for i = 1 is "
        "none of them",
        r"G_1' = \nabla_{W_1}\mathcal L(W_1^{(t)},\ldots,W_k^{(t)})",
        "G_1' = grad_1 L(W_1(t), ..., W_k(t))",
    )
    d.value(
        first_shift,
        "Both gradients are taken at the same point",
        sp.Abs(gradient(*mixed(before, after, 1)) - gradient(*before)),
        sp.Integer(0),
    )
