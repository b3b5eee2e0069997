"""Whether BN makes the loss surface at initialisation smoother (S1, S2)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from torch.nn import functional

from bnproof.empirical.experiment import (
    CONTROL,
    SECOND,
    WITH,
    WITHOUT,
    Control,
    Experiment,
    Fixed,
    Measured,
)
from bnproof.empirical.experiments.landscape import loss_surface as trained
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import rounded
from bnproof.empirical.metrics.smoothness import capped
from bnproof.empirical.metrics.surface import Surface, loss_surface
from bnproof.empirical.networks.table import Initialisation, Norm, build
from bnproof.empirical.setting import Setting
from bnproof.empirical.trial import Size, Trial
from bnproof.theory.claim import Claim, Scale, Verdict

LAWS: Final[tuple[Initialisation, ...]] = ("kaiming", "xavier")
WORDS: Final = {"kaiming": "He", "xavier": "Xavier"}
POINTS: Final = {Scale.SMOKE: 5, Scale.QUICK: 11, Scale.LONG: 21, Scale.PAPER: 21}
WIDTH: Final = 8

SIZES: Final = {
    Scale.SMOKE: Size(batch=16, seeds=2),
    Scale.QUICK: Size(batch=128, seeds=5),
    Scale.LONG: Size(batch=128, seeds=10),
    Scale.PAPER: Size(batch=128, seeds=10),
}


def run(trial: Trial) -> Measured:
    """Measure the loss around both networks, for both initialisations."""
    seed = 2 * trial.seed
    with_bn = _planes(trial, "batch", seed)
    return trained.compared(
        {
            WITH: _measured(with_bn),
            WITHOUT: _measured(_planes(trial, "none", seed)),
            CONTROL: _measured(_planes(trial, "batch", seed + 1)),
            SECOND: _measured(with_bn, trained.TIMES),
        }
    )


def _planes(trial: Trial, norm: Norm, seed: int) -> Sequence[Surface]:
    """One plane per initialisation."""
    return [_plane(trial, norm, law, seed) for law in LAWS]


def _measured(planes: Sequence[Surface], times: float = 1.0) -> Mapping[str, Any]:
    """Each quantity as a row over initialisations."""
    rows = [trained.measured(plane.steps, times * capped(plane)) for plane in planes]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _plane(trial: Trial, norm: Norm, law: Initialisation, seed: int) -> Surface:
    network = {"family": "vgg", "norm": norm, "init": law, "width": WIDTH}
    net = build(network, generator=trial.stream("network")).to(trial.device)
    return loss_surface(
        net,
        functional.cross_entropy,
        trial.inputs,
        trial.labels,
        seed=seed,
        points=POINTS[trial.scale],
    )


@declared
def draw(m: Medians) -> Plot:
    """Contours of the planes of one seed, in one scale of colours."""
    shapes = {
        f"{net}, {WORDS[law]}": {name: m[net, name][number] for name in trained.SHAPE}
        for number, law in enumerate(LAWS)
        for net in (WITH, WITHOUT)
    }
    seed = trained.typical(m)
    planes = [
        (m.series[net]["steps"][seed, number], m.series[net]["losses"][seed, number])
        for number in range(len(LAWS))
        for net in (WITH, WITHOUT)
    ]
    slopes = {net: rounded(shapes[f"{net}, {WORDS[LAWS[0]]}"]["slope"]) for net in (WITH, WITHOUT)}
    return Plot(
        panels=trained.contours(dict(zip(shapes, planes, strict=True))),
        columns=2,
        sharex=True,
        sharey=True,
        title=(
            f"At initialisation, He: largest slope {slopes[WITHOUT]} without BN, {slopes[WITH]} "
            "with BN"
        ),
        text=(
            "Contours of the loss around networks at initialisation on a plane of two "
            "filter-normalised random directions, one seed, logarithmic colours. Medians over "
            f"seeds: {trained.described(shapes)}."
        ),
    )


CLAIM = Claim(
    id="loss_surface_initial",
    title="The loss around an untrained network with batch normalisation is smoother.",
    checks=(
        Experiment(
            run=run,
            criteria=trained.criteria(),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control("with BN, on a plane of other random directions", passes=False),
                Control(
                    f"with BN, the loss on the plane times {trained.TIMES:g}",
                    passes=True,
                    net=SECOND,
                ),
            ),
            draw=draw,
            plot_only=frozenset({"losses", "steps"}),
            networks={
                "architecture": (
                    f"VGG-A for 32x32 images, 11 layers, first convolution of {WIDTH} channels, at "
                    "initialisation, batch statistics"
                ),
                "initialisation": "He normal; Xavier uniform",
            },
            setting=Setting(
                network=dict.fromkeys(
                    Scale, f"VGG at 1/{64 // WIDTH} of the width, at initialisation"
                ),
                scales=frozenset(),
            ),
            sizes=SIZES,
        ),
    ),
    expected=Verdict.SEEN,
    remark=trained.PROTOCOL
    + (
        "The initialisations are our choice too: He's, and Xavier's, which A18 uses. Without BN "
        "the loss explodes towards the corners, above all with He's, because there the enlarged "
        "weights of all layers multiply. With BN it cannot, because only the scale of the last "
        "layer reaches the logits. The verdict rests on this. Near the network itself ('slope near "
        "the middle', up to a fifth of the plane) the result is different: there the slope with BN "
        "is several times smaller with He's initialisation, but far larger with Xavier's, for "
        "which the signal in the network without BN fades and its loss is flat. Nor is the loss "
        "convex with BN: it is so at fewer points than without."
    ),
)
