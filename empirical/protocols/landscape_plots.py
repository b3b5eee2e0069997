"""Figures of the landscapes that `bnproof.empirical.protocols.landscapes` compares."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from bnproof.empirical.experiment import WITH, WITHOUT
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import STYLES, rounded
from bnproof.empirical.networks.table import Initialisation
from bnproof.empirical.protocols.landscapes import PROTOCOLS, QUANTITIES, ratio_name
from bnproof.empirical.protocols.vgg import INITS
from bnproof.theory.claim import Evidence

MARKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "variation": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "change": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    "beta": {"color": "#009E73", "marker": "D", "linestyle": "-."},
}
SHOWN: Final = (1e-4, 1e4)  # ratios outside are drawn at the edge
NAMES: Final = ("early", "middle", "late")
EDGE: Final = 2.0  # of beta times the rate
HOLLOW: Final = f"filled: {INITS[0]}, hollow: {INITS[1]}"


def by_init(values: Mapping[tuple[str, Initialisation], Any], **options: Any) -> Curves:
    """A curve for each network and initialisation, those of the second dotted and hollow."""
    lines = {f"{net}, {init}": (net, init) for net, init in values}
    dotted = [line for line, (_, init) in lines.items() if init != INITS[0]]
    styles = {line: {**STYLES[net], "markersize": 4} for line, (net, _) in lines.items()}
    return Curves(
        y={line: values[key] for line, key in lines.items()},
        lines={line: line for line in lines},
        styles={
            line: {**style, "linestyle": ":"} if line in dotted else style
            for line, style in styles.items()
        },
        hollow=dotted,
        spread="none",
        yscale="log",
        level=EDGE,
        **options,
    )


def draw_protocol(name: str) -> Callable[[Figure, Evidence], str]:
    """The figure of the claim about one protocol."""
    protocol = PROTOCOLS[name]
    which = "best rate" if protocol.best else "one rate"

    @declared
    def draw(m: Medians) -> Plot:
        ranges = {}
        for quantity in QUANTITIES:
            medians = [m[WITH, ratio_name(name, quantity, init)] for init in INITS]
            ranges[quantity] = f"{rounded(np.min(medians))} to {rounded(np.max(medians))}"
        products = {
            (net, init): np.clip(m.series[net][f"beta * rate, {which}, {init}"], 1e-3, 1e3)
            for net in (WITH, WITHOUT)
            for init in INITS
        }
        words = "; ".join(f"{QUANTITIES[quantity]} {row}" for quantity, row in ranges.items())
        return Plot(
            panels=[
                *(
                    _ratios(
                        m,
                        name,
                        [init],
                        spread="bars",
                        title=f"{init}: {_rates(m, f'rate, {which}, {init}')}",
                        xlabel="common loss, falling"
                        if protocol.by_loss
                        else "third of the updates",
                        ylabel="with BN / without BN",
                    )
                    for init in INITS
                ),
                by_init(
                    products,
                    x=m.series[WITH][f"update, {which}, {INITS[0]}"][0],
                    title="effective beta times rate",
                    xlabel="update",
                ),
            ],
            sharey=len(INITS),
            legend_columns=4,
            legend_title=f"left: median and range of seeds; right: median; {HOLLOW}",
            title=f"Effective beta with BN / without BN, {protocol.words}: {ranges['beta']}",
            text=(
                f"Ratios with BN / without BN, {protocol.words}, at three stages and for both "
                f"initialisations, medians over seeds: {words}. The last panel has beta times the "
                "learning rate through training; 2 is the edge of stability."
            ),
        )

    return draw


@declared
def draw_all(m: Medians) -> Plot:
    """The four protocols side by side."""
    largest = {
        (name, init): max(
            m[WITH, ratio_name(name, quantity, init)].max() for quantity in QUANTITIES
        )
        for name in PROTOCOLS
        for init in INITS
    }
    smooth = sum(ratio <= 1 for ratio in largest.values())
    words = ", ".join(
        f"{rounded(max(largest[name, init] for init in INITS))} {protocol.words}"
        for name, protocol in PROTOCOLS.items()
    )
    return Plot(
        panels=[
            _ratios(
                m,
                name,
                INITS,
                spread="none",
                title=protocol.words,
                xlabel="stage",
                ylabel="with BN / without BN",
            )
            for name, protocol in PROTOCOLS.items()
        ],
        sharey=True,
        legend_title=f"median of seeds; {HOLLOW}",
        title=(
            f"Smoother with BN throughout in {smooth} of {len(largest)} comparisons: "
            f"{len(PROTOCOLS)} protocols, {len(INITS)} initialisations"
        ),
        text=(
            "Loss variation, change of the gradient and effective beta with BN / without BN, by "
            f"four protocols, medians over seeds; the largest ratio at any stage is {words}."
        ),
    )


def _ratios(m: Medians, name: str, inits: Sequence[str], **options: Any) -> Curves:
    """The ratios of one protocol by stage."""
    lines = {f"{quantity}, {init}": (quantity, init) for init in inits for quantity in QUANTITIES}
    return Curves(
        x=range(len(NAMES)),
        y={
            line: np.clip(m.series[WITH][ratio_name(name, *key)], *SHOWN)
            for line, key in lines.items()
        },
        lines={line: QUANTITIES[quantity] for line, (quantity, _) in lines.items()},
        styles={
            line: {**MARKS[quantity], "markersize": 4, "linewidth": 1}
            for line, (quantity, _) in lines.items()
        },
        hollow=[line for line, (_, init) in lines.items() if init != INITS[0]],
        dodge=0.08,
        xticks=dict(enumerate(NAMES)),
        yscale="log",
        level=1,
        **options,
    )


def _rates(m: Medians, name: str) -> str:
    """The learning rates, as medians over seeds."""
    with_bn, without = m[WITH, name], m[WITHOUT, name]
    if with_bn == without:
        return f"rate {with_bn:.2g}"
    return f"rates {with_bn:.2g} with, {without:.2g} without"
