"""Figures: one style for all, and one SVG file for each claim that has something to draw."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from bnproof.report.document import PICTURES
from bnproof.report.svg import shorter
from bnproof.theory.claim import Claim, Evidence
from bnproof.theory.common.files import write_bytes, write_text

METADATA: Final = ("Date", "Creator", "Format", "Type")  # written by default; the page says it all
SIZE: Final = (7.2, 4.2)  # inches; the width of the report's column at 96 dots an inch

Draw = Callable[[Figure, Claim, Evidence], str | None]

# Okabe and Ito (2008): told apart by the colour-blind.  Each has its own line, so that a figure
# can be read in grey; the palest of the eight, yellow, is left out.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))


def style() -> dict[str, Any]:
    """Settings of matplotlib for every figure."""
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
        "path.simplify_threshold": 0.4,  # of a point, which nobody sees
        "svg.fonttype": "none",  # text, not outlines: half the size, and it can be searched
    }


def save(claim: Claim, evidence: Evidence, draw: Draw, folder: Path) -> dict[str, str] | None:
    """Draw the evidence of a claim and write ``figures/ID.svg`` in `folder`.

    Returns
    -------
    dict or None
        The file, as a path relative to `folder`, and the text alternative; None if `draw` found
        nothing to draw.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    # The salt makes the ids inside the file, and so the file, the same in every run.
    chosen: Any = {**style(), "svg.hashsalt": claim.id}
    with mpl.rc_context(chosen):
        figure = Figure()
        alt = draw(figure, claim, evidence)
        if alt is None:
            return None
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(METADATA))
    name = f"{PICTURES}/{claim.id}.svg"
    write_text(folder / name, shorter(buffer.getvalue()))
    return {"file": name, "alt": alt}


def write(path: Path, draw: Callable[[Figure], str]) -> str:
    """Draw on a new figure and write it in the form that the name's end says; the text alternative.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    salt = path.name.encode("utf-8", "backslashreplace").decode()
    chosen: Any = {**style(), "svg.hashsalt": salt}
    with mpl.rc_context(chosen):
        figure = Figure()
        alt = draw(figure)
        buffer = io.BytesIO()
        kind = path.suffix[1:]
        bare = dict.fromkeys(METADATA) if kind == "svg" else None
        figure.savefig(buffer, format=kind, metadata=bare, dpi=150)
    write_bytes(path, buffer.getvalue())
    return alt
