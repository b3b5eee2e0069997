"""Figures of theoretical laws and constants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from bnproof.simulate.random_matrices.laws.products import ProductLaw
from bnproof.simulate.random_matrices.laws.tracy_widom import TracyWidom
from bnproof.simulate.random_matrices.spectra.figures import draw_laws
from bnproof.theory.normalizers.amplification import constant

SIZES: Final = (4, 16, 64, 256)
POWERS: Final = 60
WIDTHS: Final = ((1, 1), (1, 1, 1), (2, 1, 2), (4, 2, 1))


@dataclass(frozen=True)
class Computed:
    """A figure with its heading, description, related claims and plotting function."""

    title: str
    words: str
    claims: tuple[str, ...]
    draw: Callable[[Figure], str]


def draw_widths(figure: Figure) -> str:
    """Plot limiting laws of products for several layer widths."""
    axes = figure.subplots()
    for widths in WIDTHS:
        law = ProductLaw.of_widths([100 * width for width in widths])
        low, high = law.support()
        grid = np.geomspace(max(low, 1e-3), high, 402)[1:-1]
        axes.plot(grid, law.pdf(grid), label=" : ".join(map(str, widths)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("squared singular value")
    axes.set_ylabel("density")
    axes.legend(title="widths, input first")
    axes.set_title("A narrow layer separates the spectrum from 0")
    return (
        "Limiting densities of the squared singular values of Gaussian products for layer widths "
        + ", ".join(" : ".join(map(str, widths)) for widths in WIDTHS)
        + ", both axes logarithmic."
    )


def draw_tracy_widom(figure: Figure) -> str:
    """Plot the laws of the largest singular value, for real and complex factors."""
    axes = figure.subplots()
    grid = np.linspace(-6, 4, 301)
    laws = {"real": TracyWidom(1), "complex": TracyWidom(2)}
    means = {}
    for name, law in laws.items():
        density = law.pdf(grid)
        means[name] = float(grid @ density * (grid[1] - grid[0]))
        axes.plot(grid, density, label=f"{name}: mean {means[name]:.2f}")
    axes.set_xlabel("standardised largest squared singular value")
    axes.set_ylabel("density")
    axes.legend()
    axes.set_title("The law of the largest value depends on the field")
    words = ", ".join(f"{mean:.2f} for {name} factors" for name, mean in means.items())
    return f"Densities of the Tracy-Widom laws, with means {words}."


def draw_amplification(figure: Figure) -> str:
    """Plot the amplification constant of l_p normalisation against p."""
    axes = figure.subplots()
    shares = np.linspace(0, 1, POWERS + 1)  # 1/p: from p = inf to p = 1
    powers = [np.inf if share == 0 else 1 / share for share in shares]
    for size in SIZES:
        axes.plot(shares, [constant(power, size) for power in powers], label=f"m = {size}")
    axes.set_yscale("log")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["inf", "4", "2", "4/3", "1"])
    axes.set_xlabel("p (scale of 1/p)")
    axes.set_ylabel("amplification constant c_p(m)")
    axes.legend()
    axes.set_title("Only p = 2 does not amplify gradients, at any batch size")
    ends = ", ".join(f"{constant(1, size):.3g} for m = {size}" for size in SIZES)
    return f"Amplification constants c_p(m): 1 at p = 2, rising on both sides; at p = 1 {ends}."


FIGURES: Final[Mapping[str, Computed]] = {
    "density": Computed(
        "The law of a product's singular values",
        "Density (5) of Bjorck et al., as the density of the squared values and as printed.",
        ("liu_density", "liu_density_squared"),
        lambda figure: draw_laws(figure, (1, 2, 3, 5)),
    ),
    "widths": Computed(
        "Layers of different widths",
        "The same law for layers that are wider or narrower than the input.",
        ("liu_density_squared",),
        draw_widths,
    ),
    "tracy_widom": Computed(
        "The largest singular value",
        "Its fluctuations at the edge of the limiting law.",
        ("liu_soft_edge", "liu_edge"),
        draw_tracy_widom,
    ),
    "amplification": Computed(
        "Normalisation by other norms",
        "The largest factor by which l_p normalisation lengthens a gradient, apart from gamma and "
        "the scale.",
        ("lp_constant", "lp_amplification", "lp_contraction"),
        draw_amplification,
    ),
}
