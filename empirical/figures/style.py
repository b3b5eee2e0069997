"""Colour, marker and line of each network, and numbers as captions write them.

Networks differ in marker and line as well as in colour, so that figures can be read in greyscale.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT

LAST = "BN at the last layer"
LAYER, GROUP = "layer normalisation", "group normalisation"
MIDDLE, SMALL = "with BN, rate 0.003", "with BN, rate 0.0001"

# The palette of Okabe and Ito (2008): distinct in lightness and to colour-blind readers.
STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    WITH: {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    WITHOUT: {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    CONTROL: {"color": "#555555", "marker": "^", "linestyle": ":"},
    LAST: {"color": "#E69F00", "marker": "P", "linestyle": (0, (8, 2))},
    MIDDLE: {"color": "#56B4E9", "marker": "D", "linestyle": "-."},
    SMALL: {"color": "#009E73", "marker": "v", "linestyle": (0, (5, 1))},
    LAYER: {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    GROUP: {"color": "#009E73", "marker": "v", "linestyle": "-."},
    "LSUV, without BN": {"color": "#009E73", "marker": "D", "linestyle": "-."},
    "with BN, ReLU": {"color": "#CC79A7", "marker": "D", "linestyle": "-."},
    "with BN, wider": {"color": "#009E73", "marker": "v", "linestyle": (0, (5, 1))},
    "with BN, tenfold rate": {"color": "#56B4E9", "marker": "D", "linestyle": "-."},
    "noisy BN": {"color": "#009E73", "marker": "v", "linestyle": (0, (5, 1))},
    "noisy BN, per layer": {"color": "#CC79A7", "marker": "D", "linestyle": "-."},
    "noise without BN": {"color": "#E69F00", "marker": "P", "linestyle": (0, (8, 2))},
    "with BN, shuffled labels": {"color": "#E69F00", "marker": "v", "linestyle": (0, (5, 1))},
    "l1": {"color": "#E69F00", "marker": "v", "linestyle": "-"},
    "l2": {"color": "#56B4E9", "marker": "D", "linestyle": "--"},
    "linf": {"color": "#009E73", "marker": "P", "linestyle": "-."},
    "l1-centred": {"color": "#A07000", "marker": "<", "linestyle": (0, (5, 1))},
    "linf-centred": {"color": "#CC79A7", "marker": ">", "linestyle": (0, (8, 2))},
}
# Labels where the control is the network without BN from another seed.
OTHER_SEED: Final = {WITH: WITH, WITHOUT: WITHOUT, CONTROL: "without BN, another seed (control)"}
REFERENCE: Final[Mapping[str, Any]] = {
    "color": "#999999",
    "linewidth": 0.8,
}  # lines at thresholds and limits


def rounded(value: float) -> str:
    """Format a positive number with two digits and without an exponent: 96,000 or 2.1."""
    return f"{float(f'{value:.2g}'):,.10g}"


def listed(values: Iterable[float], form: str = ".2g") -> str:
    """Format numbers as a list separated by commas."""
    return ", ".join(f"{value:{form}}" for value in values)


def by_layer(values: Iterable[float], layers: Iterable[int]) -> str:
    """Format one number for each layer: 7 in layer 3, 13 in layer 6."""
    pairs = zip(values, layers, strict=True)
    return ", ".join(f"{value:.2g} in layer {layer}" for value, layer in pairs)
