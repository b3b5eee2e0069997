"""Landscapes of VGG with and without BN, compared by four protocols (A18, section 3.1).

A18 compares two networks at one learning rate, update by update, at steps proportional to that
rate.  A network for which the rate is unsuitable is then compared at a higher loss.  So each part
of the protocol is varied: each network at its best rate, at equal loss, at steps of equal length.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure

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
from bnproof.empirical.networks.table import Initialisation, Norm
from bnproof.empirical.protocols.curves import Array
from bnproof.empirical.protocols.vgg import (
    INITS,
    LEARNS,
    NETWORKS,
    RATES,
    SETTING,
    SIZES,
    VARIANTS,
    vgg,
)
from bnproof.empirical.trial import Trained, Trial
from bnproof.theory.claim import Evidence

QUANTITIES: Final[Mapping[str, str]] = {
    "variation": "loss variation",
    "change": "change of the gradient",
    "beta": "effective beta",
}
STAGES: Final = 3  # early, middle and late: thirds of the updates, or of the common losses
LEVELS: Final = (2 * np.arange(STAGES)[::-1] + 1) / (2 * STAGES)
RANGE: Final = (1e-30, 1e30)  # of a quantity; non-finite values count as the upper end
SMALL: Final = 0.1  # what the control's initial weights are multiplied by
NOTHING: Final[Mapping[int, Measured]] = {}
FLAT: Final = "without BN, initial weights a tenth: it does not learn, and its landscape is flat"
ROUGH: Final = "without BN, compared with the network whose landscape is flat"
# A18's figure 4, read from the vector data of the print and judged by the same rule: BN over none,
# early, middle and late in the updates looked at, 100 to 300, and every 500th up to 15,000.
FIGURE_4: Final[Mapping[int, Mapping[str, tuple[float, float, float]]]] = {
    300: {
        "variation": (23.2, 0.50, 0.56),
        "change": (3.5, 0.31, 0.65),
        "beta": (2.4, 0.37, 0.78),
    },
    15_000: {
        "variation": (0.094, 0.090, 0.36),
        "change": (0.27, 0.35, 0.54),
        "beta": (0.816, 0.980, 0.979),
    },
}
# What the claims about these protocols quote, and the beginning of all their remarks.
STATEMENT: Final = (
    r"\begin{array}{l}"
    r"\text{Result: BatchNorm has \emph{profound} effect on the landscape} \\"
    r"\text{(Makes it \emph{smoother} and \emph{easier to navigate}).}"
    r"\end{array}"
)
REMARK: Final = (
    "The sources print curves of one run without numbers. From the source: VGG, plain SGD, batches "
    "of 128, Glorot initialisation, a rate of 0.1 for both networks; steps along the negative "
    "gradient of 1/2 to 4 times the rate, on the batch of that gradient. Our choices: four step "
    "sizes; He initialisation too; geometric means over thirds of the updates, without the start; "
    "'smoother' means a ratio of at most 1 at every stage, for both initialisations. The criteria "
    "were fixed before measuring. The control was changed after the first seed: a statement that "
    "fails needs a control that can satisfy it. That control does not learn and is the smoothest "
    "of all, so smoothness by these measures does not make a network easy to train. "
    "Changed after measuring at quick: a rate is judged by itself, where it counted only if the "
    "network learnt at all smaller ones too. "
)


@dataclass(frozen=True)
class Protocol:
    """How two networks are compared.

    Attributes
    ----------
    words
        Description for texts.
    best
        Whether each network has its own best rate; otherwise both have the largest rate at which
        both learn.
    metric
        The recorded metric: steps proportional to the rate, or of one length.
    by_loss
        Whether evaluations with equal loss are compared, instead of those after equally many
        updates.
    """

    words: str
    best: bool = False
    metric: str = "landscape"
    by_loss: bool = False


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    "rate": Protocol("at one rate"),
    "best": Protocol("each at its best rate", best=True),
    "loss": Protocol("at one loss", by_loss=True),
    "length": Protocol("on steps of one length", metric="landscape at length"),
}


class Pair(NamedTuple):
    """Runs of a network at the rate shared by both networks and at its own best rate."""

    matched: Trained
    best: Trained


class Sweep(NamedTuple):
    """The runs of one network, by rate."""

    runs: Mapping[float, Trained]

    @property
    def largest(self) -> float:
        """Largest rate at which it learns; half the smallest if there is none.

        Each rate is judged by itself: one that is too small to learn in the given number of updates
        says nothing about larger ones.
        """
        return max(self.learnt, default=min(self.runs) / 2)

    @property
    def learnt(self) -> list[float]:
        """The rates at which it learns."""
        return [rate for rate, run in self.runs.items() if learns(run)]

    @property
    def best(self) -> float:
        """The rate with the lowest training loss at the end."""
        return min(self.runs, key=lambda rate: final_loss(self.runs[rate]))


def learns(run: Trained) -> bool:
    """Whether the final test accuracy is well above chance."""
    return run.diverged is None and run.last("test accuracy") >= LEARNS


def final_loss(run: Trained) -> float:
    """Mean training loss between the last two evaluations; infinite if the run diverged."""
    loss = run.last("loss")
    return loss if run.diverged is None and np.isfinite(loss) else np.inf


def sweep(trial: Trial, norm: Norm, init: Initialisation) -> Sweep:
    """Train at every rate."""
    rates = RATES[trial.scale]
    return Sweep({rate: vgg(trial, norm, rate, init) for rate in rates})


def pairs(trial: Trial, init: Initialisation) -> Mapping[str, Pair]:
    """Runs to compare, for each network.

    The shared rate is the largest at which both learn, or the smallest rate if there is none.  The
    control is trained at that rate.
    """
    sweeps = {WITH: sweep(trial, "batch", init), WITHOUT: sweep(trial, "none", init)}
    both = set(sweeps[WITH].learnt) & set(sweeps[WITHOUT].learnt)
    matched = max(both, default=min(RATES[trial.scale]))
    chosen = {net: Pair(runs.runs[matched], runs.runs[runs.best]) for net, runs in sweeps.items()}
    flat = vgg(trial, "none", matched, init, gain=SMALL)
    return {**chosen, CONTROL: Pair(flat, flat)}


def checkpoints(run: Trained, metric: str, quantity: str) -> Array:
    """A quantity at every evaluation after the first update, clipped to `RANGE`.

    Evaluations missing after a divergence count as not finite.
    """
    count = run.training_config.steps // run.training_config.every
    values = np.full(count, np.inf)
    recorded = run.column(metric, quantity)[1 : count + 1]
    values[: len(recorded)] = np.where(np.isfinite(recorded), recorded, np.inf)
    return np.asarray(np.clip(values, *RANGE))


def compare(protocol: Protocol, first: Pair, second: Pair, quantity: str) -> Array:
    """Ratio of a quantity of the first network to that of the second, (STAGES,): geometric means.

    By loss: at three levels, equally spaced in the range of losses that both pass through, the
    highest first, with logarithmic interpolation between evaluations.  If the ranges do not
    overlap, their nearest ends are compared.
    """
    runs = [pair.best if protocol.best else pair.matched for pair in (first, second)]
    logs = [np.log(checkpoints(run, protocol.metric, quantity)) for run in runs]
    if protocol.by_loss:
        losses = [checkpoints(run, protocol.metric, "loss") for run in runs]
        levels = common_losses(*losses)
        pair = [_between(levels, x, log) for x, log in zip(losses, logs, strict=True)]
        return np.asarray(np.exp(pair[0] - pair[1]))
    difference = logs[0] - logs[1]
    return np.exp([part.mean() for part in np.array_split(difference, STAGES)])


def common_losses(first: Array, second: Array) -> Array:
    """The loss levels used by `compare`, (STAGES,), highest first."""
    lowest, highest = max(first.min(), second.min()), min(first.max(), second.max())
    return np.asarray(lowest + (highest - lowest) * LEVELS)


def _between(levels: Array, losses: Array, values: Array) -> Array:
    order = np.argsort(losses)
    return np.interp(levels, losses[order], values[order])


def ratio_name(protocol: str, quantity: str, init: str) -> str:
    """Name of a measured ratio."""
    return f"{QUANTITIES[quantity]} over that without BN, {PROTOCOLS[protocol].words}, {init}"


def worst_name(protocol: str, init: str) -> str:
    """Name of the largest of the three ratios over all stages."""
    return f"largest ratio to the network without BN, {PROTOCOLS[protocol].words}, {init}"


def measure(trial: Trial) -> Measured:
    """Measure by all protocols, from the same runs; each claim keeps the part it needs."""
    measured: dict[str, dict[str, Any]] = {net: {} for net in (WITH, WITHOUT, CONTROL, SECOND)}
    for init in INITS:
        chosen = pairs(trial, init)
        for net in (WITH, WITHOUT, CONTROL):
            measured[net] |= _ratios(chosen[net], chosen[WITHOUT], init)
            measured[net] |= _course(chosen[net], init)
            measured[net] |= _nearest(chosen[net], chosen[WITHOUT], init)
        measured[SECOND] |= _ratios(chosen[WITHOUT], chosen[CONTROL], init)
    return measured


def _ratios(first: Pair, second: Pair, init: str) -> Mapping[str, Any]:
    """All quantities of the first network over those of the second, by all protocols."""
    rows: dict[str, Any] = {}
    for name, protocol in PROTOCOLS.items():
        ratios = {
            ratio_name(name, quantity, init): compare(protocol, first, second, quantity)
            for quantity in QUANTITIES
        }
        rows |= ratios
        rows[worst_name(name, init)] = max(row.max() for row in ratios.values())
    return rows


def _nearest(first: Pair, second: Pair, init: str) -> Mapping[str, Any]:
    """Distance between the losses compared at equal loss; 0 if their ranges overlap."""
    own, other = (checkpoints(pair.matched, "landscape", "loss") for pair in (first, second))
    levels = common_losses(own, other)
    clipped = [np.clip(levels, x.min(), x.max()) for x in (own, other)]
    return {
        f"loss where compared, at one loss, {init}": clipped[0].mean(),
        f"distance of the losses compared, at one loss, {init}": np.abs(
            clipped[0] - clipped[1]
        ).max(),
    }


def _course(pair: Pair, init: str) -> Mapping[str, Any]:
    """Rates, and the quantities drawn against the update."""
    curve: dict[str, Any] = {}
    for words, run in (("one rate", pair.matched), ("best rate", pair.best)):
        rate, end = run.training_config.rate, f"{words}, {init}"
        curve[f"rate, {end}"] = rate
        curve[f"test accuracy, {end}"] = run.last("test accuracy")
        curve[f"update, {end}"] = 1 + np.arange(
            run.training_config.steps // run.training_config.every
        )
        curve[f"update, {end}"] *= run.training_config.every
        curve[f"beta * rate, {end}"] = rate * checkpoints(run, "landscape", "beta")
        curve[f"loss, {end}"] = checkpoints(run, "landscape", "loss")
    return curve


def criteria(protocols: Sequence[str]) -> tuple[Criterion, ...]:
    """Smaller with BN in every quantity, at every stage and from both initialisations."""
    return tuple(
        Criterion(
            WITH,
            ratio_name(name, quantity, init),
            f"{words}, with BN / without BN, {PROTOCOLS[name].words}, {init}: largest stage",
            at_most=1.0,
        )
        for name in protocols
        for init in INITS
        for quantity, words in QUANTITIES.items()
    )


def kept(trial: Trial, wanted: Callable[[str], bool]) -> Measured:
    """The result of `measure`, restricted to the quantities selected by `wanted`."""
    return {
        net: {name: value for name, value in rows.items() if wanted(name)}
        for net, rows in measure(trial).items()
    }


def by_protocol(name: str, draw: Callable[[Figure, Evidence], str]) -> Experiment:
    """The experiment for one protocol."""
    others = [protocol.words for key, protocol in PROTOCOLS.items() if key != name]

    def run(trial: Trial) -> Measured:
        return kept(trial, lambda quantity: not any(f", {words}," in quantity for words in others))

    return experiment(run, criteria([name]), draw, traced=_figure_4() if name == "rate" else {})


def _figure_4() -> dict[int, Measured]:
    """`FIGURE_4` in the form that `measure` returns; the networks have Glorot's initialisation."""
    return {
        updates: {WITH: {ratio_name("rate", name, "xavier"): row for name, row in rows.items()}}
        for updates, rows in FIGURE_4.items()
    }


def experiment(
    run: Callable[[Trial], Measured],
    criteria: tuple[Criterion, ...],
    draw: Callable[[Figure, Evidence], str],
    *,
    traced: Mapping[int, Measured] = NOTHING,
) -> Experiment:
    """An experiment on these landscapes; its control does not learn."""
    return Experiment(
        run=run,
        criteria=criteria,
        fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
        controls=(
            Control(FLAT, passes=True, made_of=WITH),
            Control(ROUGH, passes=False, made_of=WITH, net=SECOND),
        ),
        draw=draw,
        traced=traced,
        networks=NETWORKS,
        setting=SETTING,
        variants=VARIANTS,
        sizes=SIZES,
    )
