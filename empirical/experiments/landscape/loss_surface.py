"""Whether BN makes the loss surface around a trained network smoother (S1, S2)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bnproof.empirical.experiment import (
    CONTROL,
    SECOND,
    WITH,
    WITHOUT,
    Control,
    Criterion,
    Experiment,
    Fixed,
    Measured,
)
from bnproof.empirical.figures.panels import Image
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import rounded
from bnproof.empirical.metrics.smoothness import near, smoothness
from bnproof.empirical.networks.table import Norm
from bnproof.empirical.setting import OWN, Setting, widths
from bnproof.empirical.trial import Size, Trained, Trial
from bnproof.theory.claim import Claim, Scale, Verdict
from bnproof.theory.common.errors import UserError
from bnproof.theory.sources import Source

RATE: Final = 0.01  # for both networks: the best of those tried without BN
WIDTH: Final = {Scale.SMOKE: 2, Scale.QUICK: 8, Scale.LONG: 8, Scale.PAPER: 32}
FACTOR: Final = 2.0
TIMES: Final = 10.0  # what the positive control multiplies the loss by
WORDS: Final = {"slope": "largest slope", "curvature": "largest curvature"}
SHAPE: Final = ("slope", "curvature", "concave", "roughness")
SHOWN: Final = (0.5, 2000.0)  # range of the colour scale

SIZES: Final = {
    Scale.SMOKE: Size(batch=16, seeds=1, updates=2, images=100),
    Scale.QUICK: Size(batch=128, seeds=5, updates=300, images=None),
    Scale.LONG: Size(batch=128, seeds=3, updates=15_000, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=15_000, images=None),
}
PROTOCOL: Final = (
    "S1 and S2 show surfaces of Li et al. (2018, arXiv:1712.09913), which compare networks with "
    "and without shortcuts, not with and without BN. From Li et al.: a plane of two random "
    "directions, each filter of a direction as long as the network's own, from -1 to 1. Our "
    "choices: the same directions, grid and colours for both networks; the loss of one training "
    "batch with batch statistics, where Li et al. use running ones, with which BN is a different "
    "function; 'smoother' as S1 defines it below the figure, a smaller Lipschitz constant of the "
    "loss and of its gradient, by at least a factor of two, on the plane and in its units. The "
    "units matter: the scale of the weights before BN is arbitrary, and on steps of fixed absolute "
    "length a network with larger weights, the same function, looks flatter (a test shows both). "
)
SOURCES: Final = (
    Source("S1", "section 3.4 and figure 3"),
    Source("S2", "'How does BN help optimization?'"),
)
STATEMENT: Final = r"\text{What BN does do is smooth out the loss surface.}"


def run(trial: Trial) -> Measured:
    """Train both networks and measure the loss around them."""
    with_bn, without = _train(trial, "batch"), _train(trial, "none")
    return compared(
        {
            WITH: _plane(with_bn, "plane"),
            WITHOUT: _plane(without, "plane"),
            CONTROL: _plane(with_bn, "another plane"),
            SECOND: _plane(with_bn, "plane", TIMES),
        }
    )


def _train(trial: Trial, norm: Norm) -> Trained:
    return trial.train(
        {"family": "vgg", "norm": norm, "init": "kaiming", "width": WIDTH[trial.scale]},
        rate=RATE,
        momentum=0.9,
        decay=0.0,
        every=trial.size.updates,
        tested=2_000,
        metrics=("surface",),
    )


def _plane(run: Trained, name: str, times: float = 1.0) -> Mapping[str, Any]:
    if run.diverged is not None:
        raise UserError(
            f"loss_surface: a network diverged at update {run.diverged}, so it has no surface"
        )
    surface = run.curve[-1]["surface"]
    return {
        **measured(surface["steps"], times * np.array(surface[name])),
        "test accuracy": run.last("test accuracy"),
    }


def measured(steps: Sequence[float], losses: NDArray[np.float64]) -> Mapping[str, Any]:
    """The rounded surface and its `smoothness`."""
    digits = np.vectorize(lambda loss: float(f"{loss:.3g}"))
    middle = near(steps, losses)
    return {
        "steps": np.array(steps),
        "losses": digits(losses),
        **vars(smoothness(steps, losses)),
        "slope near the middle": middle.slope,
        "curvature near the middle": middle.curvature,
    }


def compared(planes: Mapping[str, Mapping[str, Any]]) -> Measured:
    """Add slope and curvature relative to those with BN."""
    return {
        net: {**row, **{over(name): row[name] / planes[WITH][name] for name in WORDS}}
        for net, row in planes.items()
    }


def over(name: str) -> str:
    """Name of the quantity relative to that with BN."""
    return f"{name} over that with BN"


def criteria() -> tuple[Criterion, ...]:
    """S1, definitions 3.2 and 3.3, on the plane; "smooth significantly" means by `FACTOR`."""
    return tuple(
        Criterion(
            WITHOUT,
            over(name),
            f"{words} of the loss on the plane, without BN / with BN",
            at_least=FACTOR,
        )
        for name, words in WORDS.items()
    )


@declared
def draw(m: Medians) -> Plot:
    """Contours of the planes of one seed, in one scale of colours."""
    titles = {WITH: WITH, WITHOUT: WITHOUT, CONTROL: "with BN, another plane"}
    seed = typical(m)
    shapes = {title: {name: m[net, name] for name in SHAPE} for net, title in titles.items()}
    return Plot(
        panels=contours(
            {
                title: (m.series[net]["steps"][seed], m.series[net]["losses"][seed])
                for net, title in titles.items()
            }
        ),
        sharex=True,
        sharey=True,
        title=(
            f"Trained: largest slope {rounded(m[WITHOUT, 'slope'])} without BN, "
            f"{rounded(m[WITH, 'slope'])} with BN; share left by a quadratic "
            f"{m[WITHOUT, 'roughness']:.2f} and {m[WITH, 'roughness']:.2f}"
        ),
        text=(
            "Contours of the loss around trained networks on a plane of two filter-normalised "
            "random directions, one seed, logarithmic colours. Medians over seeds: "
            f"{described(shapes)}."
        ),
    )


def described(shapes: Mapping[str, Mapping[str, float]]) -> str:
    """What was measured on each plane, in words."""
    return "; ".join(
        f"{name}: slope {rounded(row['slope'])}, curvature {rounded(row['curvature'])}, not convex "
        f"at {100 * row['concave']:.0f} % of the points, {100 * row['roughness']:.0f} % of the "
        "variance left by the best quadratic"
        for name, row in shapes.items()
    )


def typical(m: Medians) -> int:
    """The seed whose slope without BN, on its first plane, is closest to the median."""
    slopes = m.series[WITHOUT]["slope"]
    first = slopes.reshape(len(slopes), -1)[:, 0]
    return int(np.argmin(np.abs(first - np.median(first))))


def contours(planes: Mapping[str, tuple[Any, Any]]) -> list[Image]:
    """One panel for each plane, its steps and losses, all with the same axes and colours."""
    return [
        Image(
            values=losses.T,
            edges=(steps[0], steps[-1], steps[0], steps[-1]),
            limits=SHOWN,
            log=True,
            levels=19,
            bar="loss of one batch; axes in filter lengths",
            title=title,
            xlabel="first direction",
            ylabel="second direction",
        )
        for title, (steps, losses) in planes.items()
    ]


CLAIM = Claim(
    id="loss_surface",
    title="The loss around a trained network with batch normalisation is smoother.",
    checks=(
        Experiment(
            run=run,
            criteria=criteria(),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control("with BN, on a plane of other random directions", passes=False),
                Control(f"with BN, the loss on the plane times {TIMES:g}", passes=True, net=SECOND),
            ),
            draw=draw,
            plot_only=frozenset({"losses", "steps"}),
            networks={
                "architecture": {
                    scale: (
                        f"VGG of 11 layers for 32x32 images, first convolution of {width} channels"
                    )
                    for scale, width in WIDTH.items()
                },
                "initialisation": "He normal",
                "learning rate": str(RATE),
            },
            setting=Setting(network=widths(64, WIDTH, "VGG"), deviations=(OWN,)),
            sizes=SIZES,
        ),
    ),
    expected=Verdict.SEEN,
    remark=PROTOCOL
    + (
        "At quick the networks are trained for only a few hundred updates. The largest slope and "
        "curvature are larger without BN by orders of magnitude, but at the corners of the plane, "
        "where the enlarged weights of all layers multiply and which training never visits. Near "
        "the middle of the plane they differ far less, so most of the contrast of the figure says "
        "little about the region of training."
    ),
)
