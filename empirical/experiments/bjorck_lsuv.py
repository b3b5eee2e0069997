"""An initialisation that normalises every layer in the place of BN (S3, section 6)."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment, Measured
from empirical.networks import Network
from empirical.pictures import STYLES, median_marks
from empirical.probes.activations import activation_shift
from empirical.probes.shift import sgd_step
from empirical.rates import CHANCE, accuracy
from empirical.recipe import Recipe
from empirical.training import Trainer
from empirical.trial import SHORTCUT, Size, Trained, Trial
from theory.claim import Claim, Evidence, Scale, Verdict
from theory.sources import Source

LSUV: Final = "LSUV, without BN"
NETWORKS: Final[Mapping[str, Mapping[str, str]]] = {
    WITH: {"norm": "batch", "init": "xavier"},
    LSUV: {"norm": "none", "init": "lsuv"},
    WITHOUT: {"norm": "none", "init": "xavier"},
}
RATES: Final = (0.01, 0.03, 0.1)
DEPTH: Final = {Scale.SMOKE: 8, Scale.QUICK: 20, Scale.PAPER: 110}
TESTED: Final = {Scale.SMOKE: 50, Scale.QUICK: 2_000, Scale.PAPER: 10_000}
SIZES: Final = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=3, images=200),
    Scale.QUICK: Size(batch=128, seeds=3, updates=160, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=64_000, images=None),
}
MARGIN: Final = 0.05  # of accuracy: "relatively small performance loss"
_DRIFT: Final = "drift of activations"


def run(trial: Trial) -> Measured:
    """Train all three networks at all rates; measure the drift at the rate that suits LSUV."""
    runs = {
        net: [_train(trial, options, rate) for rate in RATES] for net, options in NETWORKS.items()
    }
    accuracies = {net: [accuracy(one) for one in row] for net, row in runs.items()}
    best = {net: int(np.argmax(row)) for net, row in accuracies.items()}
    place = best[LSUV]
    chosen = {**best, CONTROL: place}
    accuracies[CONTROL], runs[CONTROL] = accuracies[WITHOUT], runs[WITHOUT]
    drifts = {net: _drift(trial, runs[net][place].recipe) for net in NETWORKS}
    drifts[CONTROL] = drifts[WITHOUT]
    return {
        net: {
            "rate": RATES[chosen[net]],
            "accuracy at each rate": row,
            "test accuracy": row[chosen[net]],
            "accuracy lost against BN": accuracies[WITH][best[WITH]] - row[chosen[net]],
            _DRIFT: drifts[net],
            "drift over that with BN": drifts[net] / drifts[WITH],
        }
        for net, row in accuracies.items()
    }


def _train(trial: Trial, options: Mapping[str, str], rate: float) -> Trained:
    return trial.train(
        {"family": "resnet", "depth": DEPTH[trial.scale], "shortcut": SHORTCUT, **options},
        rate=rate,
        augment=True,
        schedule="plateau" if trial.scale is Scale.PAPER else "constant",
        every=max(trial.size.updates // 4, 1),
        tested=TESTED[trial.scale],
    )


def _drift(trial: Trial, recipe: Recipe) -> float:
    """How far the first update of the earlier layers moves a layer's activations.

    Earth mover's distance over the deviation before, mean over units, median over layers.
    """
    training = Trainer(recipe, trial.images, trial.device)
    at = training.moment()
    model = at.model
    assert isinstance(model, Network)
    places = {id(module): name for name, module in model.named_modules()}
    names = [places[id(model.activation(number))] for number in range(2, model.depth)]
    after = sgd_step(model, at.loss, at.inputs, at.targets, rate=at.rate)
    found = activation_shift(model, at.inputs, after, names)
    return float(np.median([found[name].earlier.relative for name in names]))


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw test accuracy against the learning rate, for each network."""
    axes = fig.subplots()
    names = {
        WITH: "BN, Xavier",
        LSUV: LSUV,
        WITHOUT: "without BN, Xavier (at LSUV's rate: control)",
    }
    for shift, net in zip((0.94, 1.0, 1.06), names, strict=True):
        values = evidence.series[net]["accuracy at each rate"]
        median_marks(axes, net, np.array(RATES) * shift, values, names[net])
        axes.plot(
            np.array(RATES) * shift,
            np.median(values, axis=0),
            color=STYLES[net]["color"],
            linestyle=STYLES[net]["linestyle"],
            linewidth=1,
        )
    axes.axhline(CHANCE, color="#999999", linewidth=0.8)
    axes.text(RATES[0], CHANCE, "chance, divergence", va="bottom", fontsize="small")
    axes.set_xscale("log")
    axes.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    axes.minorticks_off()
    axes.set_xlabel("learning rate")
    axes.set_ylabel("test accuracy")
    axes.legend(fontsize="small", title="median and range of seeds", title_fontsize="small")
    found = {
        net: {name: _median(rows[name]) for name in ("test accuracy", "rate", _DRIFT)}
        for net, rows in evidence.series.items()
    }
    best = {net: f"{row['test accuracy']:.1%}" for net, row in found.items()}
    axes.set_title(
        f"Best test accuracy: {best[WITH]} with BN, {best[LSUV]} with LSUV instead, "
        f"{best[WITHOUT]} with neither"
    )
    return (
        f"Test accuracy against the learning rate; at the best one {best[WITH]} with BN, "
        f"{best[LSUV]} with LSUV and without BN, {best[WITHOUT]} with Xavier's "
        f"initialisation and without BN, {best[CONTROL]} in the control, Xavier at the rate "
        f"that suits LSUV. At that rate the first update moves activations by "
        f"{found[LSUV][_DRIFT]:.2g} deviations with LSUV, {found[WITH][_DRIFT]:.2g} with BN; "
        "medians over seeds."
    )


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


CLAIM = Claim(
    id="bjorck_lsuv",
    title=(
        "An initialisation that normalises every layer can be used instead of batch normalisation "
        "with a relatively small loss, though covariate shift does not disappear."
    ),
    sources=(Source("S3", "section 6"),),
    statement=(
        r"\begin{array}{l}"
        r"\text{an initialization scheme that ensures that all layers are normalized is} \\"
        r"\text{proposed. In this setting, internal covariate shift would not disappear.} \\"
        r"\text{However, the authors show that such initialization can be used instead of BN} \\"
        r"\text{with a relatively small performance loss}"
        r"\end{array}"
    ),
    means=(
        Experiment(
            run=run,
            criteria=(
                # "Relatively small performance loss".
                Criterion(
                    net=LSUV,
                    quantity="accuracy lost against BN",
                    at_most=MARGIN,
                    words="test accuracy with BN less that with LSUV, each at its best rate",
                ),
                # "Would not disappear": there is no less of it than with BN.
                Criterion(
                    net=LSUV,
                    quantity="drift over that with BN",
                    at_least=1.0,
                    words="drift of activations under the first update, LSUV over BN",
                ),
            ),
            control="Xavier's initialisation without BN, at the rate that suits LSUV",
            made_of=LSUV,
            draw=draw,
            networks={
                "architecture": "ResNet of depth "
                + ", ".join(f"{depth} at {scale.value}" for scale, depth in DEPTH.items()),
                "shortcut": SHORTCUT,
                "initialisation": (
                    "Xavier uniform, or LSUV: orthogonal, each layer's output scaled to variance 1"
                ),
            },
            sizes=SIZES,
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark="",
)
