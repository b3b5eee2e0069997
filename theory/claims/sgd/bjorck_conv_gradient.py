"""Equation (4) of S3: the gradient at a convolution's kernel."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import backprop
from bnproof.theory.training.backprop import correlation, flipped, kernel_gradient


def prove() -> DerivationResult:
    """Differentiate (3) for symbolic sizes and apply the chain rule."""
    d = Derivation()
    backprop.convolution_steps(d)
    return d.finish()


CLAIM = Claim(
    id="bjorck_conv_gradient",
    title="The gradient at a kernel entry sums output gradient times shifted input.",
    statement=(
        r"\frac{\partial L}{\partial K_{o,i,x',y'}} = \sum_{b,x,y} d^{bxy}_{o,i,x',y'},\quad "
        r"d^{bxy}_{o,i,x',y'} = \frac{\partial L}{\partial O_{b,o,x,y}} I_{b,i,x+x',y+y'}"
    ),
    relation=sp.Eq(kernel_gradient, correlation),
    control=sp.Eq(kernel_gradient, flipped),
    checks=(Proof(prove), RandomTest(sizes=(1, 3, 4, 6), sampler="convolution")),
    expected=Verdict.PROVED,
    remark=(
        "Definition (3) is a cross-correlation, as in every framework; the control shifts the "
        "input the other way, which is correct for a convolution in the strict sense. S3 does not "
        "define I outside the image: the derivation holds for any values there, and the random "
        "instances use zero padding. S3 says 'its derivative with respect to the loss' for the "
        "derivative of the loss."
    ),
)
