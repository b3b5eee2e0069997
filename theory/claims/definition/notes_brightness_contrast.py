"""A standardised image depends on neither brightness nor contrast."""

import sympy as sp

from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.training import images
from bnproof.theory.training.images import contrast, standard_k, standard_moved_k


def prove() -> DerivationResult:
    """Standardise an image, and the image after a change of contrast and brightness."""
    d = Derivation()
    images.standard_steps(d)
    return d.finish()


CLAIM = Claim(
    id="notes_brightness_contrast",
    title="Subtracting the mean and dividing by the deviation removes brightness and contrast.",
    statement=r"\mathrm{std}(ax + b\mathbf{1}) = \mathrm{std}(x),\quad a > 0",
    relation=sp.Eq(standard_moved_k, standard_k),
    control=sp.Eq(standard_moved_k, contrast * standard_k),
    checks=(Proof(prove), RandomTest(sizes=(2, 8, 64), sampler="images")),
    expected=Verdict.PROVED,
    remark=(
        "Read of mean and deviation of each image: brightness is added to every pixel, contrast "
        "multiplies them. An image of one colour has no deviation to divide by. With the mean and "
        "deviation of the whole data set, as is usual for CIFAR-10, differences between images "
        "stay. The control divides by nothing, so that contrast stays."
    ),
)
