"""Along a diverging update the channel moments explode in the higher layers (S3, figure 4)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from empirical.experiment import (
    CONTROL,
    NETS,
    WITH,
    WITHOUT,
    Criterion,
    Experiment,
    Measured,
)
from empirical.networks import ResNet
from empirical.pictures import rounded
from empirical.probes.update import (
    Replay,
    Update,
    diverging_update,
    nth_update,
    replay,
    share_of_divergence,
)
from empirical.recipe import Recipe
from empirical.training import Trainer
from empirical.trial import SHORTCUT, Trial
from theory.claim import Claim, Evidence, Verdict
from theory.errors import UserError
from theory.sources import Source

LAYERS = (8, 44, 80)
MOMENTS = ("mean", "variance")
RATE = 0.003  # S3, section 2: the smallest named one at which networks without BN diverge
VIABLE = 1e-4  # the same: they converge
DIVERGED = 1e3  # S3, section 3
UPDATES = 20  # looked at; "typically happens in the first few mini-batches"
SHARES = tuple(float(share) for share in np.linspace(0, 1, 21))
ENDS = (0.0, 1.0)
CEILING: Final = 1e30  # stands for what is larger or not finite
ORDERS = 100.0  # "orders of magnitude": two or more


def run(trial: Trial) -> Measured:
    """Replay the diverging update, the same one with BN, and one at a viable rate."""
    training = _trainer(trial, "none", RATE)
    update = diverging_update(training.model, training.update, limit=DIVERGED, at_most=UPDATES)
    if update is None:
        raise UserError(f"seed {trial.seed}: no divergence in {UPDATES} updates at rate {RATE:g}")
    others = {WITH: _trainer(trial, "batch", RATE), CONTROL: _trainer(trial, "none", VIABLE)}
    found = {WITHOUT: _along(training, update, SHARES)}
    for net, other in others.items():
        found[net] = _along(other, nth_update(other.model, other.update, update.number), ENDS)
    return found


def _trainer(trial: Trial, norm: str, rate: float) -> Trainer:
    """A training that began as S3's do."""
    network = {"family": "resnet", "depth": trial.depth, "norm": norm, "shortcut": SHORTCUT}
    recipe = Recipe(
        network=network,
        rate=rate,
        steps=UPDATES,
        batch=trial.size.batch,
        augment=True,
        seed=trial.seed,
    )
    return Trainer(recipe, trial.images, trial.device)


def _along(training: Trainer, update: Update, shares: tuple[float, ...]) -> Mapping[str, Any]:
    model = training.model
    assert isinstance(model, ResNet)
    inputs, targets = training.task.batch(update.number)  # the one whose loss passed the limit
    found = replay(
        model,
        training.task.loss,
        inputs,
        targets,
        update=update,
        layers={number: model.layer(number) for number in LAYERS},
        shares=shares,
    )
    rows: dict[str, Any] = {
        "number of the update": update.number,
        "loss before": _capped(found.losses[0]),
        "loss after": _capped(found.losses[-1]),
        "percentage at which the loss passes the limit": _percentage(found),
    }
    for name, moments in zip(MOMENTS, (found.means, found.variances), strict=True):
        rows |= _rows(name, [_sizes(moments[number]) for number in LAYERS])
    return rows


def _percentage(found: Replay) -> float:
    """Above 100 where it does not."""
    share = share_of_divergence(found, DIVERGED)
    return 100 * min(share, 10.0)


def _sizes(moments: Tensor) -> NDArray[np.float64]:
    """Absolute values (shares, channels), finite."""
    return np.nan_to_num(moments.abs().numpy(), nan=CEILING, posinf=CEILING).clip(max=CEILING)


def _capped(loss: float) -> float:
    return loss if loss < CEILING else CEILING


def _rows(name: str, layers: list[NDArray[np.float64]]) -> dict[str, Any]:
    """How the largest channel of each layer grew, and how large it became."""
    largest = np.stack([sizes.max(axis=1) for sizes in layers])  # (layer, share)
    growths = largest[:, -1] / largest[:, 0]
    return {
        f"growth of the {name}": growths,
        f"growth of the {name} over that of the layer before": growths[1:] / growths[:-1],
        f"growth of the {name}, layer {LAYERS[-1]} over {LAYERS[0]}": growths[-1] / growths[0],
        f"scale of the {name}, layer {LAYERS[-1]} over {LAYERS[0]}": largest[-1, -1]
        / largest[0, -1],
        f"scale of the {name} before": largest[:, 0],
        f"scale of the {name} after": largest[:, -1],
        **{
            f"{name} at layer {number}": sizes
            for number, sizes in zip(LAYERS, layers, strict=True)
        },
    }


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw the absolute moments of one seed, channel against percentage, on one scale a row."""
    series = evidence.series[WITHOUT]
    seed = _typical(series)
    panels = fig.subplots(2, 3, sharey=True)
    for name, row in zip(MOMENTS, panels, strict=True):
        values = [series[f"{name} at layer {number}"][seed] for number in LAYERS]
        norm = LogNorm(min(v.min() for v in values), max(v.max() for v in values))
        for axes, sizes, number in zip(row, values, LAYERS, strict=True):
            image = axes.imshow(
                sizes,
                norm=norm,
                cmap="cividis",
                aspect="auto",
                origin="lower",
                extent=(0.5, sizes.shape[1] + 0.5, -2.5, 102.5),
                interpolation="nearest",
            )
            grown = np.median(series[f"growth of the {name}"], axis=0)[LAYERS.index(number)]
            axes.set_title(f"layer {number}: {name} {_times(grown)}", fontsize="small")
        row[0].set_ylabel("update applied, %")
        bar = fig.colorbar(image, ax=list(row), shrink=0.9)
        bar.set_label("|mean| of channel" if name == "mean" else "variance of channel")
    for axes in panels[-1]:
        axes.set_xlabel("channel")
    before, after = (np.median(series[f"loss {when}"]) for when in ("before", "after"))
    fig.suptitle(
        f"Without BN one update at rate {RATE:g} takes the loss from {rounded(before)} to "
        f"{after:.0e}: moments of layer {LAYERS[0]} stay, those of layer {LAYERS[-1]} explode",
        fontsize="medium",
    )
    grown = {
        net: {
            name: ", ".join(
                _times(value)
                for value in np.median(evidence.series[net][f"growth of the {name}"], axis=0)
            )
            for name in MOMENTS
        }
        for net in NETS
    }
    layers = ", ".join(map(str, LAYERS))
    return (
        "Heat maps of the absolute mean and the variance of every channel while 0 to 100 % of the "
        f"diverging update is applied, logarithmic. Growth of the largest channel at layers "
        f"{layers} without BN: mean {grown[WITHOUT]['mean']}, variance "
        f"{grown[WITHOUT]['variance']}; with BN at the same rate: mean {grown[WITH]['mean']}, "
        f"variance {grown[WITH]['variance']}; in the control without BN at rate {VIABLE:g}: mean "
        f"{grown[CONTROL]['mean']}, variance {grown[CONTROL]['variance']}; medians over seeds."
    )


def _times(value: float) -> str:
    return f"x {rounded(value)}" if value < 1e4 else f"x {value:.0e}".replace("e+0", "e")


def _typical(series: Mapping[str, NDArray[np.float64]]) -> int:
    """The seed whose variance grows nearest to the median at the last layer."""
    grown = np.log(series["growth of the variance"][:, -1])
    return int(np.argmin(np.abs(grown - np.median(grown))))


def _criteria() -> list[Criterion]:
    criteria = [
        # "Network divergence", as section 3 defines it.
        Criterion(
            net=WITHOUT,
            quantity="loss after",
            at_least=DIVERGED,
            words="loss after the update without BN",
        )
    ]
    for name in MOMENTS:
        criteria += [
            # "Explode in the higher layer": the more the higher, ...
            Criterion(
                net=WITHOUT,
                quantity=f"growth of the {name} over that of the layer before",
                at_least=1.0,
                words=f"growth of the {name} over that of the layer before",
            ),
            # ... and by another order of magnitude than in the lower one.
            Criterion(
                net=WITHOUT,
                quantity=f"growth of the {name}, layer {LAYERS[-1]} over {LAYERS[0]}",
                at_least=ORDERS,
                words=f"growth of the {name} at layer {LAYERS[-1]} over layer {LAYERS[0]}",
            ),
            # "The scale [...] is orders of magnitudes higher than the earlier layer."
            Criterion(
                net=WITHOUT,
                quantity=f"scale of the {name}, layer {LAYERS[-1]} over {LAYERS[0]}",
                at_least=ORDERS,
                words=f"largest {name} after it at layer {LAYERS[-1]} over layer {LAYERS[0]}",
            ),
        ]
    return criteria


CLAIM = Claim(
    id="bjorck_fig4",
    title=(
        "During the update that makes a network without batch normalisation diverge, the moments "
        "of its channels explode in the higher layers."
    ),
    sources=(Source("S3", "figure 4"), Source("S3", "section 3")),
    statement=(
        r"\begin{array}{l}"
        r"\text{Heatmap of channel means and variances during a diverging gradient update} \\"
        r"\text{(without BN). [...] The moments explode in the higher layer (note the scale of} \\"
        r"\text{the color bars). [...] the scale of the later layer's activations and variances} \\"
        r"\text{is orders of magnitudes higher than the earlier layer}"
        r"\end{array}"
    ),
    means=(
        Experiment(
            run=run,
            criteria=tuple(_criteria()),
            control=f"without BN, the update of the same number at the viable rate {VIABLE:g}",
            draw=draw,
            positions={"layer": LAYERS},
            pictures=frozenset(f"{name} at layer {n}" for name in MOMENTS for n in LAYERS),
            networks={
                "architecture": "ResNet-110, trained from its initialisation on",
                "shortcut": SHORTCUT,
                "initialisation": "convolutions Xavier uniform, linear layer PyTorch's default",
                "training": (
                    f"SGD, rate {RATE:g}, momentum 0.9, weight decay 1e-4, crops and reflections, "
                    "float32"
                ),
            },
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark="",
)
