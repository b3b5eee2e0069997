"""A page of spectra: a small figure and the numbers of each, to be sorted and filtered.

Like the report, the page is self-contained, and complete without its script.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bnproof.theory.common.files import write_text

if TYPE_CHECKING:
    from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum

WIDTH, HEIGHT, TOP, BASE = 240, 110, 8, 92  # of a figure, its highest point and its axis
BINS: Final = 40
POINTS: Final = 80
BEYOND: Final = 1.6  # times the edge of the law, where the axis of a figure ends at the latest
DEEPEST: Final = 12.0  # powers of ten below the edge that a logarithmic axis shows
FEWEST: Final = 0.01  # p-value below which a bulk counts as different from its law
# What a card shows: a heading, the key in the table of numbers, and its format.
SHOWN: Final = (
    ("spectral norm", "log10 of the spectral norm", "power"),
    ("stable rank", "stable rank", ".1f"),
    ("condition", "log10 of the condition number", "power"),
    ("condition", "median of log10 of the condition number", "power"),
    ("values that are 0", "values that are 0", "d"),
    ("sigma", "standard deviation of the bulk", ".3g"),
    ("outliers", "outliers", "d"),
    ("distance of the bulk", "distance of the bulk", ".3f"),
    ("its p-value", "p-value of the distance", ".3f"),
    ("distance from the law", "distance from the law, one product, mean", ".3f"),
    ("exponent of the tail", "exponent of the tail", ".2f"),
)


def write(
    path: Path,
    source: str,
    spectra: "Sequence[Spectrum]",
    numbers: Sequence[Mapping[str, Any]],
    left_out: Mapping[str, str],
) -> None:
    """Write the page.

    Parameters
    ----------
    path
        File, replaced if it exists.
    source
        Where the matrices come from, for the title.
    spectra, numbers
        One of each for a card.
    left_out
        Why other matrices are not there.
    """
    import jinja2
    from markupsafe import Markup

    from bnproof.report.page import TEMPLATES

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    cards = [_card(*pair) for pair in zip(spectra, numbers, strict=True)]
    names = list(dict.fromkeys(name for card in cards for name, _, _ in card["numbers"]))
    page = environment.get_template("spectra.html").render(
        source=source,
        cards=cards,
        names=names,
        left_out=left_out,
        style=Markup("".join(_template(name) for name in ("report.css", "spectra.css"))),
        script=Markup(_template("spectra.js")),
    )
    write_text(path, page)


def _template(name: str) -> str:
    from bnproof.report.page import TEMPLATES

    return (TEMPLATES / name).read_text(encoding="utf-8")


def _card(spectrum: "Spectrum", numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the page shows of a spectrum."""
    shown = []
    for heading, key, form in SHOWN:
        value = numbers.get(key, ...)
        undefined = value is ... or (value is None and form != "power")
        if undefined or (heading == "values that are 0" and not value):
            continue
        shown.append((heading, value, _text(value, form)))
    p_value = numbers.get("p-value of the distance")
    kind = numbers.get("kind", "Jacobian" if "Jacobian" in numbers else "product")
    shape = " x ".join(map(str, reversed(_short(spectrum.widths))))
    return {
        "name": spectrum.name,
        "kind": f"{kind}, {shape}{' at each frequency' if kind == 'operator' else ''}",
        "numbers": shown,
        "outliers": spectrum.outliers,
        "differs": p_value is not None and p_value < FEWEST,
        **_figure(spectrum),
    }


def _short(widths: Sequence[int]) -> Sequence[object]:
    return widths if len(widths) <= 6 else (*widths[:2], "...", widths[-1])


def _text(value: float | None, form: str) -> str:
    if value is None:
        return "infinite" if form == "power" else "-"
    if form == "power":
        whole = math.floor(value)
        return f"{10**value:.3g}" if abs(value) < 3 else f"{10 ** (value - whole):.3g}e{whole}"
    return format(value, form)


def _figure(spectrum: "Spectrum") -> dict[str, Any]:
    """Paths of the histogram and of the law, as coordinates of an SVG."""
    import numpy as np

    logarithmic = len(spectrum.widths) > 2
    logs, limit = spectrum.logs[np.isfinite(spectrum.logs)], spectrum.law
    low, edge = limit.support() if limit else (0.0, float(np.exp(min(logs.max(), 700.0))))
    if logarithmic:
        values = logs / np.log(10)
        right = max(float(values.max()), math.log10(edge)) + 0.1
        left = max(float(values.min()), right - DEEPEST) - 0.1
        grid = np.linspace(left, min(right, math.log10(edge)), POINTS + 2)[1:-1]
        law = limit.pdf(10**grid) * 10**grid * np.log(10) if limit else 0 * grid
    else:
        values = np.exp(logs)
        left, right = 0.0, min(max(1.05 * float(values.max()), 1.1 * edge), BEYOND * edge)
        grid = np.linspace(low, edge, POINTS + 2)[1:-1]
        law = limit.pdf(grid) if limit else 0 * grid
    edges = np.linspace(left, right, min(BINS, max(8, values.size // 3)) + 1)
    # Of a Jacobian, only the nonzero values have a law.
    count = values.size if "Jacobian" in spectrum.provenance else spectrum.logs.size
    density = np.histogram(values, edges)[0] / count / np.diff(edges)
    top = 1.05 * max(density.max(), float(np.quantile(law, 0.95)))

    def across(x: Any) -> Any:
        return (x - left) / (right - left) * WIDTH

    def down(y: Any) -> Any:
        return BASE - np.minimum(y / top, 1.0) * (BASE - TOP)

    bars = f"M0 {BASE}" + "".join(
        f"H{x:.1f}V{y:.1f}" for x, y in zip(across(edges[:-1]), down(density), strict=True)
    )
    marks = spectrum.logs[0, : spectrum.outliers]
    marks = marks / np.log(10) if logarithmic else np.exp(np.minimum(marks, 700.0))
    inside = law > 0  # of a law with mass at 0, the support begins there
    points = [*zip(across(grid[inside]), down(law[inside]), strict=True)]
    if points and not logarithmic:
        ends = ((points[0][0], BASE),) if not inside[0] or low > 0 else ()
        points = [*ends, *points, (across(edge), BASE)]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return {
        "bars": f"{bars}H{WIDTH}V{BASE}Z",
        "law": f"M{line}" if points else "",
        "marks": [round(float(across(x)), 1) for x in marks if x <= right],
        "hidden": int((marks > right).sum()),
        "farthest": f"{float(marks[0]):.3g}" if len(marks) else "",
        "ticks": [(round(float(across(x)), 1), f"{x:g}") for x in _ticks(left, right) if x < right],
        "logarithmic": logarithmic,
    }


def _ticks(left: float, right: float) -> list[float]:
    """Three to six round numbers."""
    power = 10 ** math.floor(math.log10((right - left) / 3))
    step = next(k * power for k in (5, 2, 1) if (right - left) / (k * power) >= 3)
    first = math.ceil(left / step)
    return [round(k * step, 12) for k in range(first, math.floor(right / step) + 1)]
