"""The training of Bjorck et al.'s residual networks, defined once so that experiments share runs.

Given in S3, section 1.2, as in He et al. (2015): SGD with momentum 0.9, weight decay 1e-4, batches
of 128, crops and reflections, a rate that is divided by 10 when learning plateaus.  S3 trains for
"enough epochs such that learning plateaus": 165 at a rate of 0.1, 1,320 at 0.003, 2,400 at 0.0001.
He et al. warm up ResNet-110 at 0.01 "until the training error is below 80% (about 400 iterations)".
Our choices: projections where the shape changes; at rates that S3 does not name, the epochs of the
next smaller rate that it does; 400 updates of warm-up, for every network of 110 layers; at `long`
as many epochs as hours on two cores allow, in the same proportion.

At `quick`, few updates and small batches make it possible to train fairly deep networks at many
rates.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bnproof.empirical.networks.table import Norm
from bnproof.empirical.protocols.rates import Found, grid, largest_rate, learns
from bnproof.empirical.training.tasks import Data
from bnproof.empirical.trial import DEPTH, SHORTCUT, Size, Trained, Trial
from bnproof.theory.claim import Scale

DEPTHS: Final[Mapping[Scale, tuple[int, ...]]] = {
    Scale.SMOKE: (8, 14),
    Scale.QUICK: (8, 20, 32, 44),
    Scale.LONG: (8, 20, 32),
    Scale.PAPER: (8, 20, 32, 44, 56, DEPTH),
}
GRIDS: Final = {
    Scale.SMOKE: grid(0.1, 2),
    Scale.QUICK: grid(1.6, 18),
    Scale.LONG: grid(1.6, 18),
    Scale.PAPER: grid(1.6, 18),
}
# Start of the search at the smallest depth; at other depths it starts at the previous result.
STARTS: Final[Mapping[Norm, float]] = {"none": 0.2, "batch": 0.4}
TESTED: Final = {Scale.SMOKE: 50, Scale.QUICK: 500, Scale.LONG: 2_000, Scale.PAPER: 10_000}
EPOCHS: Final[Mapping[float, int]] = {0.1: 165, 0.003: 1_320, 0.0001: 2_400}  # S3, by rate
EPOCH: Final = 50_000 // 128  # updates
WARM_UP: Final = 400  # updates; He et al., section 4.2
SIZES: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=2, images=200),
    Scale.QUICK: Size(batch=16, seeds=5, updates=400),
    Scale.LONG: Size(batch=128, seeds=3, updates=1_170, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=3_900, images=None),
}
NETWORKS: Final[Mapping[str, str]] = {
    "shortcut": SHORTCUT,
    "initialisation": "convolutions Xavier uniform, linear layer PyTorch's default",
    "optimiser": "SGD, momentum 0.9, weight decay 1e-4, crops and reflections",
}
# Of complete trainings, whose size gives the updates at a rate of 0.1; at other
# scales all rates have these.
LENGTHS: Final[Mapping[Scale, str]] = {
    Scale.LONG: "updates in proportion to the source's epochs: 1 at rate 0.1, 8 from 0.003, 14.5 "
    "below",
    Scale.PAPER: "the source's epochs: 165 at rate 0.1, 1,320 from 0.003, 2,400 below; 110 layers "
    f"are warmed up for {WARM_UP} updates at rate 0.01",
}


def updates(trial: Trial, rate: float) -> int:
    """Updates of a complete training at an initial rate; the trial's size gives those at 0.1.

    At `long` and `paper` they are in proportion to S3's epochs at the largest rate that it names
    and that does not exceed `rate`, or at the smallest.
    """
    if trial.scale not in (Scale.LONG, Scale.PAPER):
        return trial.size.updates
    named = max((one for one in EPOCHS if one <= rate), default=min(EPOCHS))
    return trial.size.updates * EPOCHS[named] // EPOCHS[max(EPOCHS)]


def warm_up(depth: int) -> int:
    """Updates of warm-up of a complete training: He et al. need them at 110 layers."""
    return WARM_UP if depth == DEPTH else 0


def resnet(
    trial: Trial,
    depth: int,
    norm: Norm,
    rate: float,
    *,
    seed: int | None = None,
    data: Data | None = None,
    **training_config: Any,
) -> Trained:
    """Train one network completely and evaluate it at the end, or load the run if it is done.

    Parameters
    ----------
    trial
        Provides scale, images and seed.
    depth, norm
        As `bnproof.empirical.networks.resnet.resnet`.
    rate
        Initial learning rate.
    seed, data
        Seed and data other than those of `trial`.
    training_config
        Other fields of `bnproof.empirical.training.config.TrainingConfig`.

    Raises
    ------
    bnproof.empirical.trial.MissingError
        As `Trial.train`.
    """
    steps = training_config.setdefault("steps", updates(trial, rate))
    usual = {
        "schedule": "plateau",
        "warm_up": warm_up(depth),
        "augment": True,
        "every": steps,
        "tested": TESTED[trial.scale],
        "seed": trial.seed if seed is None else seed,
    }
    network = {"family": "resnet", "depth": depth, "norm": norm, "shortcut": SHORTCUT}
    return trial.train(network, rate=rate, data=data, **(usual | training_config))


def search(trial: Trial, depth: int, norm: Norm, *, start: float, seed: int | None = None) -> Found:
    """Find the largest rate at which the loss is low in the second half of the updates.

    All rates have equally many updates, and none is warmed up: the question is at which rate
    training can begin.
    """
    steps = trial.size.updates
    asked: dict[str, Any] = {"steps": steps, "every": steps // 2, "warm_up": 0, "seed": seed}
    return largest_rate(
        GRIDS[trial.scale],
        lambda rate: learns(resnet(trial, depth, norm, rate, **asked)),
        start=start,
    )


def over_depths(
    trial: Trial, norm: Norm, depths: Sequence[int], *, seed: int | None = None
) -> Mapping[int, float]:
    """The largest rate at each depth, searched from that at the previous depth.

    If the network learns at no rate, perhaps for lack of updates, the previous rate is repeated:
    nothing is concluded.
    """
    rates, start = {}, STARTS[norm]
    for depth in depths:
        rate = search(trial, depth, norm, start=start, seed=seed).rate
        start = start if rate is None else rate
        rates[depth] = start
    return rates
