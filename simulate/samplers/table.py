"""The samplers of random instances by name, each imported on first use."""

import importlib
from types import ModuleType
from typing import Final

from bnproof.theory.claim import RandomTest

# A sampler is a module with `batches` and `provenance`, as `bnproof.simulate.samplers.autodiff` has
# them.
SAMPLERS: Final = {
    "networks": "bnproof.simulate.samplers.autodiff",
    "normalizers": "bnproof.simulate.samplers.normalizers",
    "sgd": "bnproof.simulate.samplers.sgd",
    "weights": "bnproof.simulate.samplers.weights",
    "layer": "bnproof.simulate.samplers.layer",
    "cross_entropy": "bnproof.simulate.samplers.cross_entropy",
    "convolution": "bnproof.simulate.samplers.convolution",
    "quadratics": "bnproof.simulate.samplers.least_squares",
    "features": "bnproof.simulate.samplers.features",
    "covariate_shift": "bnproof.simulate.samplers.covariate_shift",
    "law": "bnproof.simulate.samplers.fuss_catalan",
    "products": "bnproof.simulate.samplers.products",
    "images": "bnproof.simulate.samplers.images",
    "deep_linear": "bnproof.simulate.samplers.deep_linear",
    "earth_mover": "bnproof.simulate.samplers.earth_mover",
}


def sampler_of(spec: RandomTest) -> ModuleType:
    """Import the sampler that a `RandomTest` names.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if spec.sampler not in SAMPLERS:
        raise ValueError(f"checks: unknown sampler {spec.sampler!r}; known: {', '.join(SAMPLERS)}")
    return importlib.import_module(SAMPLERS[spec.sampler])
