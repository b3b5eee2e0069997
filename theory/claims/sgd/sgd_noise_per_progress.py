"""Learning rate and inverse batch size in the noise over the same progress."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.sgd.bjorck_noise_tradeoff import prove
from bnproof.theory.training.sgd import noise_rate, noise_steps, r

CLAIM = Claim(
    id="sgd_noise_per_progress",
    title="Over the same progress, learning rate and inverse batch size change the noise alike.",
    statement=(
        r"\mathbb{E}\|e(r\alpha, r|B|)\|^2 = \mathbb{E}\Big\|\sum_{t=1}^{r} e_t(\alpha, |B|)"
        r"\Big\|^2 = r\,\frac{\alpha^2}{|B|}C\quad\text{at fixed gradients}"
    ),
    relation=sp.Eq(noise_rate, noise_steps),
    domain=sp.Gt(r, 1),
    control=sp.Eq(noise_rate, noise_steps / r),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 4, 5), sampler="sgd")),
    expected=Verdict.PROVED,
    remark=(
        "One step at (r alpha, r|B|) goes as far as r steps at (alpha, |B|), both r alpha times "
        "the gradient, and is as noisy: noise over progress is alpha C/|B|. 'At fixed gradients' "
        "is a hypothesis: between the r steps the gradients change by terms of order alpha, so it "
        "holds only for small alpha. The control ignores that the noise of r steps adds up."
    ),
)
