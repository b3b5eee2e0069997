"""Whether batches of 2 images are too small for BN in a convolutional network (S1, 4.1)."""

from typing import Final

from bnproof.empirical.experiment import CONTROL, SECOND, WITH, Control, Experiment, Fixed, Measured
from bnproof.empirical.experiments.normalisers.layer_norm_small_batch import (
    CRITERIA,
    DENSE,
    PROVENANCE,
    SIZES,
    compared_at,
    draw,
    rows,
)
from bnproof.empirical.figures.style import LAYER
from bnproof.empirical.setting import OWN, Setting
from bnproof.empirical.trial import SHORTCUT, Trial
from bnproof.theory.claim import Claim, Scale, Verdict

DEPTHS: Final = {Scale.SMOKE: 8, Scale.QUICK: 8, Scale.LONG: 8, Scale.PAPER: 20}


def run(trial: Trial) -> Measured:
    """Train residual networks; the control is the fully connected one."""
    network = {"family": "resnet", "depth": DEPTHS[trial.scale], "shortcut": SHORTCUT}
    table, other = rows(trial, network), rows(trial, DENSE)
    compared = {net: compared_at(row, table[WITH], 0) for net, row in table.items()}
    return {
        **compared,
        CONTROL: compared_at(other[LAYER], other[WITH], 0),
        SECOND: compared_at(table[LAYER], table[WITH], -1),
    }


CLAIM = Claim(
    id="layer_norm_small_batch_convolution",
    title=(
        "In a residual network, too, layer normalisation still works if the batch is too small for "
        "BN."
    ),
    checks=(
        Experiment(
            run=run,
            criteria=CRITERIA,
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control(
                    "a fully connected network, whose units have no places besides the images",
                    passes=True,
                    made_of=LAYER,
                ),
                Control(
                    "the same networks at batches of 128, which are large enough for BN",
                    passes=False,
                    made_of=LAYER,
                    net=SECOND,
                ),
            ),
            draw=draw,
            networks={
                "architecture": {scale: f"ResNet-{depth}" for scale, depth in DEPTHS.items()},
                "shortcut": SHORTCUT,
                "initialisation": "convolutions Xavier uniform, linear layer PyTorch's default",
                **PROVENANCE,
            },
            setting=Setting(deviations=(OWN,)),
            sizes=SIZES,
        ),
    ),
    expected=Verdict.NOT_SEEN,
    remark=(
        "Protocol as in layer_norm_small_batch; all thresholds were fixed before measuring, the "
        "positive control afterwards. A channel of a convolution has one value per image and "
        "position: many even for two images, so that its moments are accurate enough for training."
    ),
)
