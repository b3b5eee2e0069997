"""The slides' theorem taken literally: L_Std in the network without the layer, at y."""

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.claims.gradient import slides_4_1
from bnproof.theory.symbols import IDEAL, gamma, l1, ll, ly, m, sigma, vv

CLAIM = Claim(
    id="slides_4_1_any_y",
    title="The slides' gradient bound with the gradient of the network without the layer, at y.",
    statement=(
        r"\|\nabla_{y_j} L_{BN}\|^2 \le \frac{\gamma^2}{\sigma_j^2}\Big("
        r"\|\nabla_{y_j} L_{Std}\|^2 - \mu(\nabla_{y_j} L_{Std})^2"
        r" - \tfrac1m(\hat y_j^\top\nabla_{y_j} L_{Std})^2\Big),\quad L_{Std}\text{ at } y_j"
    ),
    relation=sp.Le(vv, gamma**2 / sigma**2 * (ll - (l1 / m) ** 2 - ly**2 / m)),
    domain=IDEAL,
    control=slides_4_1.CLAIM.relation,
    checks=(
        Counterexample.of(
            y=[1, 1, -1, -1],
            b=[-1, 0, 0, 0],
            A=[[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
            gamma=2,
        ),
        Proof(slides_4_1.prove, of_control=True, attained=slides_4_1.CASE),
        RandomTest(),
    ),
    expected=Verdict.REFUTED,
    remark=(
        "A literal reading of 'for any weights': with the same weights the two networks "
        "evaluate their loss at different points, y without the layer and z = gamma yhat + beta "
        "with it. In the counterexample y is a minimum of L, so the right side is 0, while the "
        "layer moves away from it. As its authors mean it, both gradients are at the same point "
        "z; that reading is the control, slides_4_1. l is the gradient of L at y."
    ),
)
