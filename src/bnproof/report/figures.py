"""Write figures in a common style; a claim's figure is an SVG file."""

import io
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import Formatter, LogFormatter, NullLocator

from bnproof.report.document import FIGURE_FOLDER
from bnproof.report.svg import minify
from bnproof.theory.claim import Claim, Evidence
from bnproof.theory.common.files import write_bytes, write_text

# Where its settings cannot be stored, Matplotlib uses a temporary folder and warns of it.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

METADATA: Final = ("Date", "Creator", "Format", "Type")  # fields to leave out of SVG files
SIZE: Final = (7.2, 4.2)  # inches; the width of the report's column at 96 dots per inch

# Decades from which on a logarithmic axis has no minor ticks, which would take longer to draw than
# all the rest of a figure.
SIMPLE: Final = 2.0
TYPESET: Final = re.compile(r"\$\\mathdefault\{(.*)\}\$")
POWER: Final = re.compile(r"(?<=10)\^\{(−?\d+)\}")
SUPERSCRIPTS: Final = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Draw = Callable[[Figure, Claim, Evidence], str | None]

# Colour-blind-safe palette of Okabe and Ito (2008), without its palest colour, yellow.  Each colour
# has its own line style, so that figures can be read in greyscale.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))


def style() -> dict[str, Any]:
    """Return Matplotlib settings for all figures."""
    return {
        "axes.facecolor": "white",
        "axes.grid": True,
        "axes.prop_cycle": cycler(color=COLOURS, linestyle=LINES),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "figure.constrained_layout.use": True,
        "figure.facecolor": "white",
        "figure.figsize": SIZE,
        "figure.titlesize": "medium",
        "font.size": 10,
        "grid.color": "0.9",
        "legend.framealpha": 0.9,
        "lines.linewidth": 1.6,
        "lines.markersize": 5,
        "savefig.facecolor": "white",
        "font.sans-serif": ("DejaVu Sans", "Verdana", "Arial", "Helvetica", "sans-serif"),
        "path.simplify_threshold": 0.4,  # points; not visible
        "svg.fonttype": "none",  # text instead of outlines: half the size, and searchable
    }


def save(claim: Claim, evidence: Evidence, draw: Draw, folder: Path) -> dict[str, str] | None:
    """Plot the evidence of a claim to ``figures/ID.svg`` in `folder`.

    Returns
    -------
    dict or None
        The file, as a path relative to `folder`, and its alt text; None if `draw` plots nothing.

    Raises
    ------
    UserError
        If the folder is not writable.
    """
    # The salt makes the ids inside the file reproducible.
    settings: Any = {**style(), "svg.hashsalt": claim.id}
    with mpl.rc_context(settings):
        figure = Figure()
        alt = draw(figure, claim, evidence)
        if alt is None:
            return None
        buffer = io.StringIO()
        _write_svg(figure, buffer)
    name = f"{FIGURE_FOLDER}/{claim.id}.svg"
    write_text(folder / name, minify(buffer.getvalue()))
    return {"file": name, "alt": alt}


def write(path: Path, draw: Callable[[Figure], str]) -> str:
    """Plot to a file, whose suffix determines the format; return the alt text.

    Raises
    ------
    UserError
        If the folder is not writable.
    """
    salt = path.name.encode("utf-8", "backslashreplace").decode()
    settings: Any = {**style(), "svg.hashsalt": salt}
    with mpl.rc_context(settings):
        figure = Figure()
        alt = draw(figure)
        buffer = io.BytesIO()
        if path.suffix == ".svg":
            _write_svg(figure, buffer)
        else:
            figure.savefig(buffer, format=path.suffix[1:], dpi=150)
    write_bytes(path, buffer.getvalue())
    return alt


class Plain(Formatter):
    r"""Labels of another formatter with characters for powers, which need not be typeset.

    Typesetting the labels of logarithmic axes would take half the time of a figure.

    >>> plain(r"$\mathdefault{-2\times10^{-3}}$")
    '−2×10⁻³'
    """

    def __init__(self, inner: Formatter) -> None:
        self._inner = inner

    def set_locs(self, locs: Any) -> None:
        """Tell the other formatter all ticks, by which it chooses what to label."""
        self._inner.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick at `x`."""
        return plain(self._inner(x, pos))


def plain(label: str) -> str:
    """Return a label as Matplotlib's logarithmic axes have it without mathematical typesetting."""
    typeset = TYPESET.fullmatch(label)
    if typeset is None:
        return label
    label = typeset[1].replace(r"\times", "×").replace("-", "−")
    return POWER.sub(lambda match: match[1].translate(SUPERSCRIPTS), label)


def _write_svg(figure: Figure, buffer: io.StringIO | io.BytesIO) -> None:
    """Write a figure, in a quarter of the time of ``savefig``, which draws it twice."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log" and _decades(axis) >= SIMPLE:
                axis.set_minor_locator(NullLocator())
            for inner, use in (
                (axis.get_major_formatter(), axis.set_major_formatter),
                (axis.get_minor_formatter(), axis.set_minor_formatter),
            ):
                if isinstance(inner, LogFormatter):
                    use(Plain(inner))
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(buffer, metadata=dict.fromkeys(METADATA))


def _decades(axis: Axis) -> float:
    """Return the length of a logarithmic axis."""
    low, high = np.log10(axis.get_view_interval())
    return float(abs(high - low))
