"""The mean of a minibatch is off by the variance of the values over the size of the batch."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.claims.sgd.bjorck_sgd_noise import prove
from bnproof.theory.training import sgd
from bnproof.theory.training.sgd import C, alpha, noise

CLAIM = Claim(
    id="report_small_batches",
    title="The mean of a batch is off by the variance over its size: small batches are inaccurate.",
    statement=(
        r"\mathbb{E}\|\mu_{\mathcal{B}} - \mu\|^2 = \frac{1}{|\mathcal{B}|}\,"
        r"\mathbb{E}\|x_i - \mu\|^2"
    ),
    relation=sp.Eq(noise, sgd.WITH),
    control=sp.Eq(noise, alpha**2 * C),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 4, 5), sampler="sgd")),
    expected=Verdict.PROVED,
    remark=(
        "The relation is that of equation (2) of S3 with any vectors x_i, times alpha, for the "
        "gradients: the mean over a batch of independent draws. Read of the mean that the layer "
        "subtracts; in a convolution the positions of an image are not independent, so the batch "
        "counts for less than its number of values. The control has an error that does not depend "
        "on the batch size."
    ),
)
