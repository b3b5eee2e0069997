"""The training of Santurkar et al.'s VGG: one recipe, so that experiments share their runs.

Found in A18, section 2 and appendix A: VGG, plain SGD at a rate of 0.1, batches of 128, 15,000
steps, Glorot's initialisation, no augmentation.  Ours: VGG-A with the widths below, no weight
decay, bfloat16 where the device is fast in it, and how often a run is looked at.
"""

from collections.abc import Mapping
from typing import Any, Final

from bnproof.empirical.networks.table import Initialisation, Norm
from bnproof.empirical.trial import Size, Trained, Trial
from bnproof.theory.claim import Scale

RATE: Final = 0.1  # of A18; its figure 1 has 0.5 too
RATES: Final[Mapping[Scale, tuple[float, ...]]] = {
    Scale.SMOKE: (0.1,),
    Scale.QUICK: (0.02, 0.1, 0.5, 2.5),
    Scale.PAPER: (0.02, 0.1, 0.5, 2.5),
}
INITS: Final[tuple[Initialisation, ...]] = ("xavier", "kaiming")
LEARNS: Final = 0.2  # test accuracy from which on a network of ten classes is said to learn

WIDTH: Final = {Scale.SMOKE: 2, Scale.QUICK: 16, Scale.PAPER: 64}
EVERY: Final = {Scale.SMOKE: 1, Scale.QUICK: 25, Scale.PAPER: 500}
TESTED: Final = {Scale.SMOKE: 50, Scale.QUICK: 2_000, Scale.PAPER: 10_000}
SIZES: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=3, images=200),
    Scale.QUICK: Size(batch=128, seeds=3, updates=300, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=15_000, images=None),
}
NETWORKS: Final[Mapping[str, str]] = {
    "architecture": "VGG-A for 32x32 images, its first convolution "
    + ", ".join(f"{width} wide at {scale.value}" for scale, width in WIDTH.items()),
    "optimiser": "plain SGD",
}

# What is recorded of every run, and in addition of these networks at A18's rate and
# initialisation: the runs that most experiments share.
METRICS: Final = ("landscape", "landscape at length", "sharpness")
MORE: Final[Mapping[Norm, tuple[str, ...]]] = {
    "batch": ("shift", "earth mover", "activations", "as trained", "theorems"),
    "none": ("shift", "earth mover", "activations", "as trained"),
}


def vgg(
    trial: Trial,
    norm: Norm,
    rate: float = RATE,
    init: Initialisation = "xavier",
    *,
    seed: int | None = None,
    **network: Any,
) -> Trained:
    """Train one VGG by the recipe, or read the run if it is done.

    Parameters
    ----------
    trial
        Whose scale, images and seed are taken.
    norm, init, network
        As `bnproof.empirical.networks.vgg`.
    rate
        Learning rate.
    seed
        Another than that of `trial`.

    Raises
    ------
    bnproof.empirical.trial.UnfinishedError
        As `Trial.train`.
    """
    more = MORE.get(norm, ()) if rate == RATE and init == "xavier" else ()
    return trial.train(
        {"family": "vgg", "norm": norm, "init": init, "width": WIDTH[trial.scale], **network},
        rate=rate,
        momentum=0.0,
        decay=0.0,
        every=EVERY[trial.scale],
        tested=TESTED[trial.scale],
        metrics=(*METRICS, *more),
        seed=trial.seed if seed is None else seed,
    )
