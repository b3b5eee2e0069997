"""BN on the deep linear network: a smoother landscape at every stage of training (A18)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

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
from bnproof.empirical.figures.style import listed
from bnproof.empirical.protocols.curves import STAGES, Array, capped, moments, rows, spread, stages
from bnproof.empirical.protocols.dln import DATA, NETWORKS, SETTING, SIZES, deep_linear
from bnproof.empirical.trial import Trained, Trial
from bnproof.theory.claim import Claim, Verdict

KINDS: Final[Mapping[str, str]] = {
    "variation": "variation of the loss",
    "change": "change of the gradient",
    "beta": "effective beta",
}
SHALLOW: Final = 2  # layers of the control
SMALLEST: Final = 1e-9  # replaces smaller values: the rounding error of a loss near 1 in float32


def run(trial: Trial) -> Measured:
    """Measure networks with and without BN; the control is a shallow one without BN."""
    runs = {
        WITH: deep_linear(trial, "batch"),
        WITHOUT: deep_linear(trial, "none"),
        CONTROL: deep_linear(trial, "none", depth=SHALLOW),
    }
    steps = spread(moments(runs[WITH]))
    read = {
        net: {kind: _read(trained, steps, kind) for kind in KINDS} for net, trained in runs.items()
    }
    rate = runs[WITH].training_config.rate
    return {
        **{net: _measured(steps, own, read[WITHOUT], rate) for net, own in read.items()},
        SECOND: _measured(steps, read[WITHOUT], read[CONTROL], rate),
    }


def _read(run: Trained, steps: Any, kind: str) -> Array:
    return np.maximum(capped(rows(run, steps, "linear landscape", kind)), SMALLEST)


def _measured(
    steps: Any, own: Mapping[str, Array], without: Mapping[str, Array], rate: float
) -> dict[str, Any]:
    ratios = {kind: without[kind] / own[kind] for kind in KINDS}
    return {
        "step": steps,
        **own,
        "beta times rate": own["beta"] * rate,
        "typical beta times rate": np.median(own["beta"]) * rate,
        **{f"{kind} without over with, by stage": stages(ratios[kind]) for kind in KINDS},
        **{f"{kind} without over with": np.median(ratios[kind]) for kind in KINDS},
    }


@declared
def draw(m: Medians) -> Plot:
    """The three measures of the landscape through training."""
    titles = {
        "variation": "variation of the loss",
        "change": "change of the gradient",
        "beta times rate": "effective beta times rate",
    }
    ratios = {kind: m[WITH, f"{kind} without over with, by stage"] for kind in KINDS}
    edge = {net: f"{m[net, 'typical beta times rate']:.2g}" for net in m.series}
    words = "; ".join(f"{KINDS[kind]} {listed(row)}" for kind, row in ratios.items())
    return Plot(
        panels=[
            Curves(
                x="step",
                y=name,
                lines={
                    WITH: WITH,
                    WITHOUT: WITHOUT,
                    CONTROL: f"without BN, {SHALLOW} layers (control)",
                },
                title=title,
                xlabel="updates",
                xscale="updates",
                yscale="log",
                level=2 if name == "beta times rate" else None,
            )
            for name, title in titles.items()
        ],
        legend_title="grey line: beta times rate = 2, the edge of stability",
        title=(
            f"Effective beta without BN / with BN: {ratios['beta'][0]:.2g} in the first stage, "
            f"{ratios['beta'][-1]:.2g} in the last;\n"
            f"beta times rate is typically {edge[WITH]} with BN, {edge[WITHOUT]} without"
        ),
        text=(
            "Deep linear network of 25 layers: variation of the loss, change of the gradient and "
            "effective beta times the rate along the gradient, against updates, all logarithmic. "
            f"Without BN / with BN, in {STAGES} stages: {words}."
        ),
    )


CLAIM = Claim(
    id="santurkar_dln_landscape",
    title=(
        "The landscape of a deep linear network is smoother with batch normalisation at every "
        "stage of training."
    ),
    checks=(
        Experiment(
            run=run,
            criteria=tuple(
                Criterion(
                    WITH,
                    f"{kind} without over with, by stage",
                    f"{words}, without BN / with BN, in each of {STAGES} stages",
                    at_least=1.0,
                )
                for kind, words in KINDS.items()
            ),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control(
                    f"a linear network of {SHALLOW} layers without BN, on the same map",
                    passes=True,
                    made_of=WITH,
                ),
                Control(
                    "without BN, compared with the network of 2 layers",
                    passes=False,
                    made_of=WITH,
                    net=SECOND,
                ),
            ),
            draw=draw,
            networks=NETWORKS,
            setting=SETTING,
            sizes=SIZES,
            data=DATA.name,
        ),
    ),
    expected=Verdict.UNDECIDED,
    remark=(
        "From the source: the runs of santurkar_dln; landscape along the gradient, at step sizes "
        "of 1/100 to 30 times the rate (A18). Our choices: 12 step sizes and 40 evaluations of a "
        "run in four stages, both about equally spaced in the logarithm, ratios of medians, and "
        "that 'smoother' only requires a ratio of 1 in each stage. Claim and control were "
        "separated from santurkar_dln after the first measurement, with unchanged criteria. In the "
        "first stage the landscape with BN is far smoother with most seeds, because the path is "
        "long and without BN the loss on it is a polynomial of high degree, while with BN every "
        "layer except the last is scale-invariant. After a few hundred updates the network with BN "
        "is at the edge of stability (edge_of_stability), and the one without BN is there with "
        "most seeds and beyond it with the others. Seeds differ by orders of magnitude: with some "
        "the network with BN is smoother in every stage, with most it is rougher in at least one, "
        "and the positive control, which is smoother still, does not satisfy the criteria with "
        "every seed. So nothing is concluded; 'not reproduced' had been expected."
    ),
)
