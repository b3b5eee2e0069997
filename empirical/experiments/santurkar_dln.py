"""BN on the deep linear network: faster training and a smoother landscape (A18, appendix B)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from empirical.courses import (
    STAGES,
    Array,
    capped,
    moments,
    rows,
    spread,
    stages,
)
from empirical.dln_protocol import DATA, LIMIT, NETWORKS, OTHER, SIZES, deep_linear, unexplained
from empirical.experiment import CONTROL, NETS, WITH, WITHOUT, Criterion, Experiment, Measured
from empirical.pictures import median_band
from empirical.trial import Trained, Trial
from theory.claim import Claim, Evidence, Verdict
from theory.sources import Source

KINDS: Final[Mapping[str, str]] = {
    "variation": "variation of the loss",
    "change": "change of the gradient",
    "beta": "effective beta",
}
FASTER: Final = "updates to the last loss without BN, over all"


def run(trial: Trial) -> Measured:
    """Train with BN and without; the control is a second network without, on another map."""
    runs = {
        WITH: deep_linear(trial, "batch"),
        WITHOUT: deep_linear(trial, "none"),
        CONTROL: deep_linear(trial, "none", seed=trial.seed + OTHER),
    }
    aim = float(unexplained(runs[WITHOUT])[-1])
    without = _landscape(runs[WITHOUT])
    return {net: _measured(found, aim, without) for net, found in runs.items()}


def _landscape(found: Trained) -> dict[str, Array]:
    steps = spread(moments(found))
    return {kind: capped(rows(found, steps, "linear landscape", kind)) for kind in KINDS}


def _measured(found: Trained, aim: float, without: Mapping[str, Array]) -> dict[str, Any]:
    steps = spread(moments(found))
    own = _landscape(found)
    share = unexplained(found)
    places = steps // found.recipe.every
    drawn = np.array([share[place] if place < len(share) else LIMIT for place in places])
    drawn[0] = drawn[1]  # no update was taken: the mean loss of those that follow
    rate = found.recipe.rate
    ratios = {kind: without[kind] / own[kind] for kind in KINDS}
    return {
        "step": steps,
        "unexplained share": drawn,
        "unexplained share at the end": drawn[-1],
        FASTER: reached(share, aim) * found.recipe.every / found.recipe.steps,
        **own,
        "beta times rate": own["beta"] * rate,
        "typical beta times rate": np.median(own["beta"]) * rate,
        **{f"{kind} without over with, by stage": stages(ratios[kind]) for kind in KINDS},
        **{f"{kind} without over with": np.median(ratios[kind]) for kind in KINDS},
    }


def reached(course: Array, aim: float) -> int:
    """The first evaluation at which `course` is down to `aim`; the last one if it never is."""
    down = np.flatnonzero(course <= aim)
    return int(down[0]) if len(down) else len(course) - 1


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw the loss and the three measures of the landscape through training."""
    labels = {WITH: WITH, WITHOUT: WITHOUT, CONTROL: "without BN, another seed (control)"}
    panels = {
        "unexplained share": "mean loss over that of 0",
        "variation": "variation of the loss",
        "change": "change of the gradient",
        "beta times rate": "effective beta times rate",
    }
    for axes, (name, title) in zip(fig.subplots(2, 2).flat, panels.items(), strict=True):
        for net in NETS:
            series = evidence.series[net]
            median_band(axes, net, series["step"][0], series[name], labels[net], slice(0, None, 4))
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.set_xscale("symlog", linthresh=evidence.series[WITH]["step"][0][1])
        axes.set_xlabel("updates", fontsize="small")
        axes.set_ylabel(title, fontsize="small")
    axes.axhline(2, color="#999999", linewidth=0.8)
    handles, names = axes.get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=3, fontsize="small")
    faster = np.median(evidence.series[WITH][FASTER])
    worst = {
        kind: np.median(evidence.series[WITH][f"{kind} without over with, by stage"], 0).min()
        for kind in KINDS
    }
    edge = np.median(evidence.series[WITH]["typical beta times rate"])
    fig.suptitle(
        f"With BN the last loss of the other is reached in {faster:.0%} of the updates;\n"
        f"effective beta without BN over with: {worst['beta']:.2g} or more in every stage",
        fontsize="medium",
    )
    ratios = ", ".join(f"{words} {worst[kind]:.2g}" for kind, words in KINDS.items())
    return (
        "Deep linear network of 25 layers: loss and, along the gradient, its variation, change of "
        "the gradient and effective beta times the rate, against updates, all logarithmic: with "
        f"BN the loss at which the network without BN ends is reached in {faster:.0%} of the "
        f"updates; ratios without over with BN in the stage where they are smallest: {ratios}; "
        f"beta times rate with BN is {edge:.2g}."
    )


CLAIM = Claim(
    id="santurkar_dln",
    title=(
        "A deep linear network trains faster with batch normalisation, and its landscape is "
        "smoother at every stage of training."
    ),
    sources=(
        Source("S4", "Back to the original question"),
        Source("S0", "Landscape Induced by BatchNorm"),
        Source("A18", "section 3.1 and appendix B"),
    ),
    statement=(
        r"\begin{array}{l}"
        r"\text{Networks with BatchNorm layers [...] perform significantly better in terms of} \\"
        r"\text{accuracy and loss. [...] BatchNorm makes the optimization landscape much more} \\"
        r"\text{smoother: [it] improves the Lipschitzness of the loss [and] of the gradients.}"
        r"\end{array}"
    ),
    means=(
        Experiment(
            run=run,
            criteria=(
                # "Significantly better", S4 also has "faster": at least twice as fast.
                Criterion(
                    net=WITH,
                    quantity=FASTER,
                    at_most=0.5,
                    words="updates with BN to the last loss without BN, over all",
                ),
                *(
                    Criterion(
                        net=WITH,
                        quantity=f"{kind} without over with, by stage",
                        at_least=1.0,
                        words=f"{words}, without BN over with, in each of {STAGES} stages",
                    )
                    for kind, words in KINDS.items()
                ),
            ),
            control="without BN, another seed, hence another network and another linear map",
            made_of=WITH,
            draw=draw,
            networks=NETWORKS,
            sizes=SIZES,
            data=DATA.name,
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark="",
)
