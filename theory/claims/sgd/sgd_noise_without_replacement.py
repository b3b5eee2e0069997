"""The noise of a step on a minibatch drawn without replacement, as data loaders draw it."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.training import sgd
from bnproof.theory.training.sgd import noise_without


def prove() -> DerivationResult:
    """Derive the mean squared error term for a uniform subset, symbolic N and |B|."""
    d = Derivation()
    sgd.define(d)
    sgd.kept_steps(d)
    sgd.spread_steps(d)
    sgd.noise_steps_of(d, sgd.KEPT, noise_without, sgd.WITHOUT)
    return d.finish()


CLAIM = Claim(
    id="sgd_noise_without_replacement",
    title="Without replacement the noise of a step is smaller by the factor (N-|B|)/(N-1).",
    sources=(Source("derived", "equation (2) of S3 for batches without repeated examples"),),
    statement=(
        r"\mathbb{E}\big[\|\alpha\nabla\ell(x) - \alpha\nabla_{SGD}(x)\|^2\big]"
        r" = \frac{\alpha^2}{|B|}\,\frac{N-|B|}{N-1}\,C\quad\text{without replacement}"
    ),
    relation=sp.Eq(noise_without, sgd.WITHOUT),
    domain=sgd.PROPER,
    control=sp.Eq(noise_without, sgd.WITH),
    checks=(Proof(prove), RandomTest(sizes=(2, 3, 4, 5), sampler="sgd")),
    expected=Verdict.PROVED,
    remark=(
        "This is how batches are drawn in practice. Bound (2) of S3 also holds and is strict for "
        "|B| > 1, C > 0; at |B| = N there is no noise. The control is (2) as an equation."
    ),
)
