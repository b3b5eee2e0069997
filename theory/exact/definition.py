"""Exact values of the symbols of `layer.definition`: a family for the layers of two conventions."""

from collections.abc import Mapping

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import ExactCase
from bnproof.theory.exact import evaluate as exact


def vanishing_eps() -> Mapping[sp.Symbol, sp.Expr]:
    """Symbols of `layer.definition` for both layers at y = (-1, 1) and eps = 1/n."""
    y, small = (sp.Integer(-1), sp.Integer(1)), 1 / exact.n
    centred = [entry - sum(y) / 2 for entry in y]
    deviation = sp.sqrt(sum(entry**2 for entry in centred) / 2)
    root = [entry / sp.sqrt(deviation**2 + small) for entry in centred]
    slides = [entry / (deviation + small) for entry in centred]
    gap = sp.sqrt(sum((a - b) ** 2 for a, b in zip(slides, root, strict=True)))
    return {
        sym.eps: small,
        sym.sigma: deviation,
        sym.hat_gap: gap,
        sym.hat_norm: sp.sqrt(sum(entry**2 for entry in root)),
    }


VANISHING = ExactCase("y = (-1, 1), eps = 1/n", vanishing_eps)
