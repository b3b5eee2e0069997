"""Standardised images: subtract the mean of the pixels, divide by their standard deviation.

That is the layer with eps = 0 and the m pixels of an image in place of the batch.
"""

from typing import Final

import sympy as sp

from bnproof.theory.layer.batchnorm import centre, mean, variance
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space
from bnproof.theory.symbols import m, symbol

contrast = symbol("contrast", "a", "factor on the contrast of an image", positive=True)
brightness = symbol("brightness", "b", "what is added to every pixel")
level = symbol("mean(image)", r"\bar x", "mean of the pixels")
depth = symbol("std(image)", r"\sigma_x", "standard deviation of the pixels", positive=True)
pixel_k = symbol("x_k", "x_k", "pixel k of an image", "k")
standard_k = symbol("std(x)_k", r"\mathrm{std}(x)_k", "pixel k of the standardised image", "k")
standard_moved_k = symbol(
    "std(a*x+b)_k",
    r"\mathrm{std}(ax+b)_k",
    "pixel k, standardised after a change of contrast and brightness",
    "k",
)

IMAGE: Final = Space({("1", "1"): m, ("1", "x"): m * level, ("x", "x"): m * (level**2 + depth**2)})


def standard_steps(d: Derivation) -> None:
    """Derive a standardised pixel, before and after a change of contrast and brightness."""
    one, image = IMAGE.vector("1"), IMAGE.vector("x")
    entries = {"1": sp.Integer(1), "x": pixel_k}
    d.define(
        "Standardise: subtract the mean of the m pixels, divide by their deviation",
        r"\mathrm{std}(x) = (x - \bar x\mathbf{1})/\sigma_x,\quad \bar x = \tfrac1m\langle"
        r"\mathbf{1},x\rangle,\quad \sigma_x^2 = \tfrac1m\|x - \bar x\mathbf{1}\|^2",
        "std(x) = (x - mean(x) 1)/sigma, mean(x) = <1,x>/m, sigma^2 = |x - mean(x) 1|^2/m",
    )
    d.value(
        standard_k,
        "Pixel k",
        (centre(image) / sp.sqrt(variance(image))).entry(entries),
        (pixel_k - level) / depth,
    )
    moved = image * contrast + one * brightness
    d.equal(
        "After a change of contrast and brightness the mean is",
        (r"\overline{ax+b}", "mean(a x + b)"),
        sp.expand(mean(moved)),
        contrast * level + brightness,
    )
    d.equal(
        "and the variance",
        (r"\sigma_{ax+b}^2", "sigma(a x + b)^2"),
        variance(moved),
        contrast**2 * depth**2,
    )
    d.value(
        standard_moved_k,
        "so that both cancel",
        (centre(moved) / sp.sqrt(variance(moved))).entry(entries),
        (pixel_k - level) / depth,
    )
