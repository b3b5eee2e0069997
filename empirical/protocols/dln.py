"""The training of A18's deep linear network, defined once so that experiments share runs.

Found in A18, section 2.2 and appendix A: 25 layers, Glorot's initialisation, the loss
``||W_25...W_1 x - Ax||^2`` with A Gaussian of 10 by 10, full batch, 10,000 steps at a rate of 1e-6.
Our choices: width 10, 1,000 Gaussian samples, float32.  The sources do not say whether the loss is
summed or averaged over the samples.  We sum: a rate of 1e-6 for the sum is one of 1e-3 for the
mean.  With the mean, 10,000 steps at 1e-6 would get as far as ten of ours.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bnproof.empirical.networks.table import Norm
from bnproof.empirical.setting import Setting
from bnproof.empirical.training.tasks import LinearMap, Regression
from bnproof.empirical.trial import Size, Trained, Trial
from bnproof.theory.claim import Scale

DATA: Final = LinearMap(samples=1_000, width=10)
RATE: Final = 1e-6 * DATA.samples
LIMIT: Final = 1e6  # the loss starts near 100 and jumps; losses above this limit never recovered

DEPTH: Final = {Scale.SMOKE: 5, Scale.QUICK: 25, Scale.LONG: 25, Scale.PAPER: 25}
EVERY: Final = {Scale.SMOKE: 1, Scale.QUICK: 100, Scale.LONG: 100, Scale.PAPER: 100}
SIZES: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=DATA.samples, seeds=2, updates=4, images=10),
    Scale.QUICK: Size(batch=DATA.samples, seeds=5, updates=10_000, images=10),
    Scale.LONG: Size(batch=DATA.samples, seeds=10, updates=10_000, images=10),
    Scale.PAPER: Size(batch=DATA.samples, seeds=10, updates=10_000, images=10),
}
NETWORKS: Final[Mapping[str, str]] = {
    "architecture": "25 linear layers (5 at smoke) of width 10, Xavier uniform; BN after all but "
    "the last",
    "data": "1,000 standard normal inputs, targets Ax with A standard normal, full batch",
    "optimiser": "plain gradient descent, rate 1e-6 for the loss summed over the samples",
}
SETTING: Final = Setting(
    network=dict.fromkeys(Scale, "deep linear network"),
    updates=10_000,
    scales=frozenset({Scale.QUICK, Scale.LONG, Scale.PAPER}),
    deviations=("width 10 and 1,000 samples, which the source does not give",),
)
METRICS: Final = ("shift", "linear landscape")


def deep_linear(
    trial: Trial, norm: Norm, *, seed: int | None = None, depth: int | None = None
) -> Trained:
    """Train one deep linear network, or load the run if it is done.

    Parameters
    ----------
    trial
        Provides scale and seed; its images are not used.
    norm
        ``"batch"`` or ``"none"``.
    seed
        Seed of the network and the linear map, if not that of `trial`.
    depth
        Number of layers, if not `DEPTH`.

    Raises
    ------
    bnproof.empirical.trial.MissingError
        As `Trial.train`.
    """
    return trial.train(
        {"family": "linear", "norm": norm, "depth": depth or DEPTH[trial.scale]},
        rate=RATE,
        data=DATA,
        momentum=0.0,
        decay=0.0,
        precision="float32",
        limit=LIMIT,
        every=EVERY[trial.scale],
        metrics=METRICS,
        seed=trial.seed if seed is None else seed,
    )


def unexplained(run: Trained) -> NDArray[np.float64]:
    """Mean training loss between evaluations, relative to the targets' mean square.

    It is 1 for a network whose output is 0, and comparable between linear maps.  The first entry is
    NaN; after a divergence the last one is `LIMIT`.
    """
    targets = Regression(run.training_config, DATA, "cpu").targets
    share = run.column("loss") / targets.square().sum(dim=1).mean().item()
    if run.diverged is not None:
        share[-1] = LIMIT
    return share
