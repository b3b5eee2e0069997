"""The rank of deep activations is of order sqrt(width) with BN and 1 without it (2003.01652)."""

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

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
from bnproof.empirical.networks.dense import dense
from bnproof.empirical.networks.layered import Nonlinearity
from bnproof.empirical.networks.table import Norm
from bnproof.empirical.networks.undisturbed import captured, undisturbed
from bnproof.empirical.trial import Size, Trial
from bnproof.theory.claim import Claim, Scale, Verdict
from bnproof.theory.sources import Source

DEPTH: Final = 12  # layers per unit of width: collapse without BN takes several
LEAST: Final = 256  # layers
FIRST: Final = 16  # the smallest width
EVERY: Final = 8  # distance between measured layers
KINDS: Final[dict[str, Nonlinearity]] = {"linear": "none", "ReLU": "relu"}
SLOPES: Final = "exponents in the width"

SIZES: Final = {
    Scale.SMOKE: Size(batch=64, seeds=2),
    Scale.QUICK: Size(batch=128, seeds=5),
    Scale.LONG: Size(batch=128, seeds=10),
    Scale.PAPER: Size(batch=128, seeds=10),
}


def run(trial: Trial) -> Measured:
    """Measure the rank for widths up to the batch size, in linear and ReLU networks."""
    return {
        WITH: _ranks(trial, "batch"),
        WITHOUT: _ranks(trial, "none"),
        CONTROL: _ranks(trial, "layer"),
        SECOND: _ranks(trial, None),
    }


def _ranks(trial: Trial, norm: Norm | None) -> dict[str, Any]:
    """Ranks of the activations; without `norm`, of matrices with orthonormal columns instead."""
    widths = FIRST * 2 ** np.arange(int(np.log2(trial.size.batch / FIRST)) + 1)
    row: dict[str, Any] = {"width": widths}
    slopes = []
    for name, nonlinearity in KINDS.items():
        ranks = np.array([_rank(trial, norm, nonlinearity, int(width)) for width in widths])
        row[f"rank, {name}"] = ranks
        slopes.append(np.polyfit(np.log(widths), np.log(ranks), 1)[0])
    row[SLOPES] = slopes
    return row


def _rank(trial: Trial, norm: Norm | None, nonlinearity: Nonlinearity, width: int) -> float:
    """Mean over the deepest quarter of the layers; the theorem is about the mean over layers."""
    if norm is None:
        draw = torch.randn(trial.size.batch, width, generator=trial.stream("columns"))
        return soft_rank(torch.linalg.qr(draw.double())[0])
    depth = max(LEAST, DEPTH * width)
    net = dense(
        depth, generator=trial.stream("dense"), norm=norm, nonlinearity=nonlinearity, width=width
    )
    net.to(trial.device).double()
    deep = range(depth, 3 * depth // 4, -EVERY)
    with undisturbed(net), torch.no_grad(), captured({n: net.activation(n) for n in deep}) as seen:
        net(trial.inputs.double())
    outputs: dict[int, Tensor] = seen[1]
    return float(np.mean([soft_rank(outputs[number]) for number in deep]))


def soft_rank(matrix: Tensor) -> float:
    """``tr(K)^2/|K|_F^2`` of ``K = H'H``, for H (samples, units); 0 for H = 0.

    It is at least 1 and at most the rank, which it equals if all non-zero singular values are
    equal; the source's bound on the number of singular values above a threshold bounds this number.
    """
    largest = matrix.abs().max()
    if not largest > 0:
        return 0.0
    scaled = matrix / largest  # the square of a product of many matrices may overflow
    gram = scaled.T @ scaled
    return float(gram.trace().square() / gram.square().sum())


@declared
def draw(m: Medians) -> Plot:
    """Rank against width, both logarithmic."""
    widths = m.series[WITH]["width"][0]
    slopes = m[WITH, SLOPES]
    largest = {net: max(m[net, f"rank, {name}"].max() for name in KINDS) for net in m.series}
    return Plot(
        panels=[
            Curves(
                x="width",
                y=f"rank, {name}",
                lines={WITH: WITH, WITHOUT: WITHOUT, CONTROL: "layer normalisation (control)"},
                guides={"square root": np.sqrt(widths)},
                title=f"{name}: exponent {slope:.2f} with BN",
                xlabel="width",
                ylabel="soft rank of the activations",
                xscale="log2",
                yscale="log2",
            )
            for name, slope in zip(KINDS, slopes, strict=True)
        ],
        sharey=True,
        legend_columns=4,
        title=(
            f"Deep random layers: rank up to {largest[WITH]:.2g} with BN, {largest[WITHOUT]:.2g} "
            "without"
        ),
        text=(
            "Soft rank of the activations of one batch in the deepest quarter of random networks "
            f"of {LEAST} layers or more, against the width, both logarithmic: with BN it grows as "
            f"the width to the power {slopes[0]:.2f} (linear) and {slopes[1]:.2f} (ReLU); without "
            f"BN it is at most {largest[WITHOUT]:.3g}, with layer normalisation at most "
            f"{largest[CONTROL]:.3g}; medians over seeds."
        ),
    )


def _collapsed() -> tuple[Criterion, ...]:
    return tuple(
        # "Collapses" to rank 1: no second direction of relevant size.
        Criterion(
            WITHOUT,
            f"rank, {name}",
            f"soft rank without BN, {name}, largest over widths",
            at_most=1.1,
        )
        for name in KINDS
    )


CLAIM = Claim(
    id="daneshmand_rank",
    title=(
        "The rank of deep activations of random networks stays of order sqrt(width) with batch "
        "normalisation, and collapses to 1 without it."
    ),
    sources=(Source("derived", "Daneshmand et al. (2020), arXiv:2003.01652, abstract, theory"),),
    checks=(
        Experiment(
            run=run,
            criteria=(
                # Omega(sqrt d): an exponent of at least 1/2, minus the uncertainty of five seeds.
                Criterion(
                    WITH,
                    SLOPES,
                    "exponent of the rank in the width with BN, linear or ReLU",
                    at_least=0.4,
                ),
                *_collapsed(),
            ),
            fixed=Fixed("2026-11-30", "cdaa64c4e10f"),
            controls=(
                Control("layer normalisation in place of BN", passes=False, made_of=WITH),
                Control(
                    "matrices with orthonormal columns instead of activations",
                    passes=True,
                    made_of=WITH,
                    net=SECOND,
                ),
            ),
            draw=draw,
            networks={
                "architecture": (
                    f"fully connected layers of {FIRST} units and more up to the batch, {DEPTH} "
                    f"layers for each unit and {LEAST} at least, at initialisation, float64"
                ),
                "initialisation": "He normal",
            },
            sizes=SIZES,
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark=(
        "From the source: the theorem is about linear layers with BN without centring and with "
        "shortcuts of small weight, any i.i.d. weights of mean 0, and the mean over layers of the "
        "number of singular values above a threshold, which it bounds by tr(K)^2/|K|^2 of the "
        "activations' Gram matrix K; the source's experiments omit the shortcuts. Our choices: "
        "that quantity itself ('soft rank'), its mean over the deepest quarter of the layers, "
        "images, no shortcuts, and the output of PyTorch's BN (before the ReLU). With BN the rank "
        "grows slightly faster than the square root, most with ReLU. The bound requires at least "
        "as many images as units; otherwise the batch limits the rank. Changed after a first look, "
        "but not the thresholds: the 12 layers per unit were 8, and the deepest quarter was the "
        "deeper half, where linear networks without BN had not quite collapsed. The statistics "
        "over the batch matter: the negative control, layer normalisation, also gives each image "
        "unit variance, but all activations become parallel."
    ),
)
