"""Without BN the largest learning rate falls with depth (S3, section 5 and appendix H)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

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
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.protocols.bjorck import DEPTHS, GRIDS, NETWORKS, SIZES, over_depths
from bnproof.empirical.protocols.rates import FACTOR, MARGIN
from bnproof.empirical.setting import Setting, depths
from bnproof.empirical.trial import DEPTH, Trial
from bnproof.theory.claim import Claim, Scale, Verdict

LARGEST: Final = "largest learning rate"
FALL: Final = "largest rate at the smallest depth over that at the greatest"
RISE: Final = "largest rise from a depth to the next"


def run(trial: Trial) -> Measured:
    """Find the largest rate at every depth without BN, at the smallest and greatest with BN."""
    depths = DEPTHS[trial.scale]
    with_bn = _row(over_depths(trial, "batch", (depths[0], depths[-1])))
    return {
        WITH: with_bn,
        WITHOUT: _row(over_depths(trial, "none", depths)),
        CONTROL: with_bn,
        SECOND: _row({depth: float(depth) ** -2 for depth in depths}),
    }


def _row(by_depth: Mapping[int, float]) -> dict[str, Any]:
    rates = np.array(list(by_depth.values()))
    return {
        "depth": list(by_depth),
        LARGEST: rates,
        FALL: rates[0] / rates[-1],
        RISE: (rates[1:] / rates[:-1]).max(),
    }


@declared
def draw(m: Medians) -> Plot:
    """The largest rate against the depth, both logarithmic."""
    depths = [f"{depth:.0f}" for depth in m.series[WITHOUT]["depth"][0]]
    words = {
        net: f"from {rates[0]:.2g} to {rates[-1]:.2g}"
        for net in (WITH, WITHOUT)
        for rates in [m[net, LARGEST]]
    }
    return Plot(
        panels=[
            Curves(
                x={net: m.series[net]["depth"][0] for net in words},
                y=LARGEST,
                lines={net: net for net in words},
                xscale="log",
                yscale="log",
                xticks={float(depth): depth for depth in depths},
                xlabel="layers",
                ylabel="largest learning rate at which it learns",
            )
        ],
        title=(
            f"{depths[0]} to {depths[-1]} layers: largest rate {words[WITHOUT]} without BN, "
            f"{words[WITH]} with BN"
        ),
        text=(
            "Largest learning rate at which a residual network learns against its depth, both "
            f"logarithmic: between {depths[0]} and {depths[-1]} layers it goes {words[WITHOUT]} "
            f"without BN and {words[WITH]} with BN; medians over seeds."
        ),
    )


CLAIM = Claim(
    id="bjorck_depth_lr",
    title="Without batch normalisation a residual network of few layers allows far larger rates.",
    checks=(
        Experiment(
            run=run,
            criteria=(
                # "Much larger": by an order of magnitude or more.
                Criterion(
                    WITHOUT,
                    FALL,
                    "largest rate without BN at the smallest depth / at the greatest",
                    at_least=10.0,
                ),
                # The resolution is one step of the grid.
                Criterion(WITHOUT, RISE, "largest rise from a depth to the next", at_most=FACTOR),
            ),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control(
                    "the same search with BN, whose activations do not grow with depth",
                    passes=False,
                ),
                Control(
                    "rates inversely proportional to the square of the depth",
                    passes=True,
                    net=SECOND,
                ),
            ),
            draw=draw,
            networks={
                "architecture": {
                    scale: f"ResNets of depth {', '.join(map(str, depths))}"
                    for scale, depths in DEPTHS.items()
                },
                "learns": f"mean loss of the last half of the updates {MARGIN} below log 10",
                "learning rates": (
                    f"{GRIDS[Scale.QUICK][0]:.2g} to {GRIDS[Scale.QUICK][-1]}, each {FACTOR:g} "
                    "times the one before"
                ),
                **NETWORKS,
            },
            setting=Setting(
                network=depths(DEPTH, {scale: each[-1] for scale, each in DEPTHS.items()}),
                updates=165 * (50_000 // 128),
                scales=frozenset(),  # none trains as long as the source
            ),
            sizes=SIZES,
        ),
    ),
    expected=Verdict.UNDECIDED,
    remark=(
        "The appendix with the evidence is not part of the source used here, so there are no "
        "printed numbers to compare with. From the source: the residual networks of He et al., SGD "
        "with momentum 0.9 and weight decay 1e-4, augmentation, Xavier initialisation. Our "
        "choices: the depths, at quick up to 44, because a deeper network without BN learns too "
        "slowly for many trials; short runs on small batches; a rate counts if the mean loss of "
        "the last half of the updates is 0.02 below that of chance, log 10, both at this rate and "
        "at the next smaller one of a grid with factors of 2, and the search ends at the first "
        "larger rate that fails; 'much larger' means at least tenfold from the smallest depth to "
        "the greatest, without a rise from one depth to the next by more than a step of the grid. "
        "These two thresholds were fixed before measuring. Changed after first looks: the "
        "definition of learning, which was a test accuracy of 0.15, which networks trained on "
        "shuffled labels can reach by chance, then of 0.2, which takes more updates at 32 layers "
        "than a search can afford, then a loss 0.03 below that of chance, for which rates below "
        "the largest are too slow. Without BN the largest rate falls from each depth to the next, "
        "but not by the required factor with every seed, so that nothing is concluded. With BN it "
        "falls too, but less."
    ),
)
