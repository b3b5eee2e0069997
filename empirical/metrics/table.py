"""Measurements on a network with batch statistics; each leaves the network unchanged.

Each is a function of a model, a batch and usually a loss that returns a frozen dataclass.  They
measure in training mode, whatever mode the model is in, with batch statistics; those with an
argument `statistics` accept running or frozen ones too
(`bnproof.empirical.metrics.objective.Objective`).  Errors about unknown layer names suggest similar
ones.
"""

from bnproof.empirical.metrics.activations import (
    ActivationMoments,
    ActivationShift,
    Distribution,
    Moved,
    activation_moments,
    activation_shift,
    earth_mover,
)
from bnproof.empirical.metrics.convolution import Kernel, Sums, convolution_sums, kernel_gradients
from bnproof.empirical.metrics.curvature import Curvature, Sharpness, sharpness
from bnproof.empirical.metrics.landscape import (
    DLN_SPAN,
    VGG_CAP,
    VGG_SPAN,
    Checkpoint,
    Landscape,
    Path,
    along_gradient,
    gradient_landscape,
    losses_along_gradient,
)
from bnproof.empirical.metrics.logits import (
    Agreement,
    logit_gradients,
    most_predicted,
    row_agreement,
    shuffled_rows,
)
from bnproof.empirical.metrics.moments import Growth, Moments, block_moments, growth
from bnproof.empirical.metrics.shift import LayerShift, covariate_shift, sgd_step
from bnproof.empirical.metrics.spread import dominance, kurtosis, rank_correlation, shuffled
from bnproof.empirical.metrics.surface import Surface, loss_surface
from bnproof.empirical.metrics.theorems import (
    EXACT,
    CurvatureTerms,
    LayerTerms,
    Reduction,
    Sides,
    theorem_terms,
)

__all__ = [
    "DLN_SPAN",
    "EXACT",
    "VGG_CAP",
    "VGG_SPAN",
    "ActivationMoments",
    "ActivationShift",
    "Agreement",
    "Checkpoint",
    "Curvature",
    "CurvatureTerms",
    "Distribution",
    "Growth",
    "Kernel",
    "Landscape",
    "LayerShift",
    "LayerTerms",
    "Moments",
    "Moved",
    "Path",
    "Reduction",
    "Sharpness",
    "Sides",
    "Sums",
    "Surface",
    "activation_moments",
    "activation_shift",
    "along_gradient",
    "block_moments",
    "convolution_sums",
    "covariate_shift",
    "dominance",
    "earth_mover",
    "gradient_landscape",
    "growth",
    "kernel_gradients",
    "kurtosis",
    "logit_gradients",
    "loss_surface",
    "losses_along_gradient",
    "most_predicted",
    "rank_correlation",
    "row_agreement",
    "sgd_step",
    "sharpness",
    "shuffled",
    "shuffled_rows",
    "theorem_terms",
]
