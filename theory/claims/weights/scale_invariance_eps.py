"""How far from scale invariant the layer of frameworks is: eps > 0 under the root."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.layer import weights
from bnproof.theory.layer.weights import RADIAL, after, eta, nn, ww
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import REGULAR, eps, gamma, gy, s


def prove() -> DerivationResult:
    """Derive <grad,w> for symbolic eps and square one step."""
    d = Derivation()
    weights.radial_steps(d)
    weights.step_steps(d)
    return d.finish()


CLAIM = Claim(
    id="scale_invariance_eps",
    title="With eps > 0 the gradient has a part along the weights, gamma (eps/s^2) <g,yhat>.",
    sources=(Source("derived", "scale invariance for the layer of frameworks, eps > 0"),),
    statement=(
        r"\langle\nabla\hat{\mathcal L}(W), W\rangle = \gamma\,\frac{\varepsilon}"
        r"{\sigma^2+\varepsilon}\langle g,\hat y\rangle,\quad \|W_{t+1}\|^2 = \|W_t\|^2 - "
        r"2\eta\gamma\,\frac{\varepsilon}{\sigma^2+\varepsilon}\langle g,\hat y\rangle"
        r" + \eta^2\|\nabla\hat{\mathcal L}(W_t)\|^2"
    ),
    relation=sp.Eq(after, ww - 2 * eta * RADIAL + eta**2 * nn),
    domain=REGULAR,
    control=sp.Eq(after, ww - 2 * eta * gamma * eps / s * gy + eta**2 * nn),
    checks=(Proof(prove), RandomTest(sampler="weights")),
    expected=Verdict.PROVED,
    remark=(
        "The share eps/s^2 = 1 - kappa measures the defect: weights shrink in a step where "
        "gamma <g,yhat> > 0 and the rate is below 2<grad,w>/|grad|^2. "
        "The control has eps/s for eps/s^2."
    ),
)
