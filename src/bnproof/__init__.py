"""Statements about batch normalisation, proved, refuted or measured by machine.

Names are imported when they are first used, so ``import bnproof`` loads nothing heavy.

Examples
--------
>>> import bnproof
>>> float(bnproof.FussCatalan(2).mean())
1.0
"""

import importlib
from typing import Any, Final

# Public name -> the module that defines it.
_HOME: Final = {
    **dict.fromkeys(
        (
            "Claim",
            "Counterexample",
            "Proof",
            "Disproof",
            "ExactCase",
            "RandomTest",
            "SpectrumTest",
            "Verdict",
        ),
        "bnproof.theory.claim",
    ),
    "Experiment": "bnproof.empirical.experiment",
    "check_layer": "bnproof.simulate.layer_checks.measure",
    "FussCatalan": "bnproof.simulate.random_matrices.laws.fuss_catalan",
    "ProductLaw": "bnproof.simulate.random_matrices.laws.products",
    "TracyWidom": "bnproof.simulate.random_matrices.laws.tracy_widom",
    **dict.fromkeys(
        ("log_singular_values", "singular_values"),
        "bnproof.simulate.random_matrices.spectra.singular_values",
    ),
    **dict.fromkeys(
        (
            "activation_moments",
            "activation_shift",
            "covariate_shift",
            "gradient_landscape",
            "loss_surface",
            "sharpness",
            "theorem_terms",
        ),
        "bnproof.empirical.metrics.table",
    ),
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
