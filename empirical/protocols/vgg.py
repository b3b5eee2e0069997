"""The training of Santurkar et al.'s VGG, defined once so that experiments share runs.

Given in A18, section 2 and appendix A: VGG, plain SGD at a rate of 0.1, batches of 128, 15,000
steps, Glorot initialisation, no augmentation.  Our choices: depth and width below, and the
frequency of evaluations.

Weight decay.  The text of A18 mentions none, and without it the protocol is what is printed: so the
verdicts are those without weight decay.  But the training loss in A18's figure 4 has a floor that
decays by the same share a step in both networks, as a penalty on the weights does, which shrinks by
twice the rate times the decay; that share, 7.2e-5 to 7.8e-5, is a weight decay of 3.6e-4 to 3.9e-4
at a rate of 0.1.  So the variant ``decay`` has 4e-4.  This was chosen by reading, before any result
with weight decay: where the variant gives another verdict, the statement depends on it.
"""

from collections.abc import Mapping
from typing import Any, Final

from bnproof.empirical.networks.table import Initialisation, Norm
from bnproof.empirical.setting import Setting, widths
from bnproof.empirical.trial import Networks, Size, Trained, Trial, Variant
from bnproof.theory.claim import Scale

RATE: Final = 0.1  # A18's; its figure 1 also has 0.5
RATES: Final[Mapping[Scale, tuple[float, ...]]] = {
    Scale.SMOKE: (0.1,),
    Scale.QUICK: (0.02, 0.1, 0.5, 2.5),
    Scale.LONG: (0.02, 0.1, 0.5, 2.5),
    Scale.PAPER: (0.02, 0.1, 0.5, 2.5),
}
INITS: Final[tuple[Initialisation, ...]] = ("xavier", "kaiming")
LEARNS: Final = 0.2  # test accuracy above which a network for ten classes counts as learning

WIDTH: Final = {Scale.SMOKE: 2, Scale.QUICK: 16, Scale.LONG: 16, Scale.PAPER: 64}
# A18 shows a layer 13 of its VGG in figure 2; the shallower network is VGG-A.
LAYERS: Final = {Scale.SMOKE: 11, Scale.QUICK: 11, Scale.LONG: 11, Scale.PAPER: 16}
EVERY: Final = {Scale.SMOKE: 1, Scale.QUICK: 25, Scale.LONG: 250, Scale.PAPER: 500}
TESTED: Final = {Scale.SMOKE: 50, Scale.QUICK: 2_000, Scale.LONG: 10_000, Scale.PAPER: 10_000}
SIZES: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=3, images=200),
    Scale.QUICK: Size(batch=128, seeds=5, updates=300, images=None),
    Scale.LONG: Size(batch=128, seeds=3, updates=15_000, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=15_000, images=None),
}
NETWORKS: Final[Networks] = {
    "architecture": {
        scale: f"VGG of {layers} layers for 32x32 images, first convolution of {width} channels"
        for (scale, width), layers in zip(WIDTH.items(), LAYERS.values(), strict=True)
    },
    "optimiser": "plain SGD",
}
SETTING: Final = Setting(network=widths(64, WIDTH, "VGG"), updates=15_000)

WIDTHS: Final = (8, 16, 32, 64)  # of the first convolution, to see a trend
VARIANTS: Final[Mapping[str, Variant]] = {
    "decay": Variant(words="weight decay 4e-4", training={"decay": 4e-4}),
    **{
        f"width-{width}": Variant(
            words=f"first convolution of {width} channels", network={"width": width}
        )
        for width in WIDTHS
    },
}

# Metrics of every run, and additional ones of these networks at A18's rate and initialisation, the
# runs that most experiments share.
METRICS: Final = ("landscape", "landscape at length", "sharpness")
MORE: Final[Mapping[Norm, tuple[str, ...]]] = {
    "batch": ("shift", "earth mover", "activations", "as trained", "theorems"),
    "none": ("shift", "earth mover", "activations", "as trained"),
}


def vgg_at(scale: Scale) -> dict[str, Any]:
    """The network of a scale: family, layers and width."""
    layers = {} if LAYERS[scale] == 11 else {"layers": LAYERS[scale]}
    return {"family": "vgg", **layers, "width": WIDTH[scale]}


def vgg(
    trial: Trial,
    norm: Norm,
    rate: float = RATE,
    init: Initialisation = "xavier",
    *,
    seed: int | None = None,
    **network: Any,
) -> Trained:
    """Train one VGG, or load the run if it is done.

    Parameters
    ----------
    trial
        Provides scale, images and seed.
    norm, init, network
        As `bnproof.empirical.networks.vgg.vgg`.
    rate
        Learning rate.
    seed
        Seed, if not that of `trial`.

    Raises
    ------
    bnproof.empirical.trial.MissingError
        As `Trial.train`.
    """
    more = MORE.get(norm, ()) if rate == RATE and init == "xavier" else ()
    return trial.train(
        {**vgg_at(trial.scale), "norm": norm, "init": init, **network},
        rate=rate,
        momentum=0.0,
        decay=0.0,
        every=EVERY[trial.scale],
        tested=TESTED[trial.scale],
        metrics=(*METRICS, *more),
        seed=trial.seed if seed is None else seed,
    )
