"""Without BN, the gradients between channels have a low-rank structure (S3, figure 7)."""

from collections.abc import Mapping
from typing import Any

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
from bnproof.empirical.figures.panels import Image
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.metrics.table import dominance, kernel_gradients, shuffled
from bnproof.empirical.networks.table import ResNet
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict

LAYER = 45
OVER = "dominance over that with BN"


def run(trial: Trial) -> Measured:
    """Measure M of both networks; the controls shuffle its entries, or make them a product."""
    with_bn, without = (_matrix(trial, trial.network(norm)) for norm in ("batch", "none"))
    noise = shuffled(without, trial.stream("entries"))
    product = torch.outer(without.mean(dim=1), without.mean(dim=0)) / without.mean()
    rows = {
        WITH: _structure(with_bn),
        WITHOUT: _structure(without),
        CONTROL: _structure(noise),
        SECOND: _structure(product + noise / 100),
    }
    reference = rows[WITH]["dominance"]
    return {net: {**row, OVER: row["dominance"] / reference} for net, row in rows.items()}


def _matrix(trial: Trial, net: ResNet) -> Tensor:
    return kernel_gradients(net, trial.inputs, trial.labels, [LAYER])[LAYER].sizes.T


def _structure(matrix: Tensor) -> Mapping[str, Any]:
    return {"dominance": dominance(matrix), "matrix": (matrix / matrix.mean()).float().numpy()}


@declared
def draw(m: Medians) -> Plot:
    """The matrix M of a typical seed as heat maps."""
    names = {WITHOUT: WITHOUT, WITH: WITH, CONTROL: "control: shuffled"}
    seed = m.typical_seed(WITHOUT, "dominance")
    ratio = {net: f"{m[net, 'dominance']:.2g}" for net in names}
    return Plot(
        panels=[
            Image(
                values=m.series[net]["matrix"][seed],
                limits=(0, 4),
                bar="gradient / mean",
                square=True,
                title=f"{name}\nmedian {ratio[net]}",
                xlabel="output channel",
                ylabel="input channel (one seed)",
            )
            for net, name in names.items()
        ],
        sharey=True,
        title=(
            f"Layer {LAYER}: first component over all others {ratio[WITHOUT]} without BN, "
            f"{ratio[WITH]} with BN"
        ),
        text=(
            f"Heat maps of the average absolute gradient between channels at layer {LAYER}: the "
            f"first component of the centred matrix over all others is {ratio[WITHOUT]} without "
            f"BN, {ratio[WITH]} with BN, {ratio[CONTROL]} in the control with shuffled entries; "
            "medians over seeds of ratios of squares."
        ),
    )


CLAIM = Claim(
    id="bjorck_fig7",
    title=(
        "At initialisation the sizes of the gradients between channels have a dominant low-rank "
        "structure without batch normalisation, and a weaker one with it."
    ),
    checks=(
        Experiment(
            run=run,
            criteria=(
                # "Dominant": one component holds more than all others together.
                Criterion(
                    WITHOUT, "dominance", "first component over all others without BN", at_least=1.0
                ),
                # "Less pronounced with batch normalization": by a factor of two or more.
                Criterion(WITHOUT, OVER, "the same, without BN / with BN", at_least=2.0),
            ),
            fixed=Fixed("2026-11-30", "cdaa64c4e10f"),
            controls=(
                Control("without BN, the entries of the matrix permuted at random", passes=False),
                Control(
                    "without BN, the product of row and column means plus 1 % of that control",
                    passes=True,
                    net=SECOND,
                ),
            ),
            draw=draw,
            positions={"layer": (LAYER,)},
            plot_only=frozenset({"matrix"}),
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark=(
        "The paper prints figures without numbers. From the source: ResNet-110, Xavier "
        "initialisation, layer 45, M as defined in section 4.1, where both sums use the indices "
        "(x, y): the inner sum is over (b, x, y), the outer over the positions of the kernel. Our "
        "choice: the measure. The first singular value of any matrix with positive entries "
        "outweighs all others, whatever its structure, so the mean of all entries is subtracted "
        "first; the negative control has the same entries in random order. 'Less pronounced' with "
        "BN is to be taken literally: the structure is much weaker than without BN, but stronger "
        "than in random order."
    ),
)
