"""The report: one HTML page, written from an evidence document alone.

The page asks the network for nothing and needs no script.  Every string of the document is
escaped; formulas and figures are drawn here and stand in the page itself.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from ledger.document import NAME, SCHEMA
from ledger.figures import FOLDER
from ledger.formula import Sheet
from theory.errors import UserError
from theory.files import write_text
from theory.sources import DOCUMENTS, Document

PAGE: Final = "index.html"
SHOWN: Final = 12  # entries of a long row of numbers; all of them are in the JSON file

# What a verdict says of the statement: heading, verdicts.
OUTCOMES: Final = {
    "holds": ("What holds", ("proved", "supported", "reproduced")),
    "fails": ("What does not hold", ("refuted", "unsupported", "not reproduced")),
    "open": ("What could not be decided", ("undecided", "error")),
}
HOLDS: Final = {
    True: "By this, the statement holds.",
    False: "By this, the statement does not hold.",
    None: "This alone does not decide the statement.",
}
STEP: Final = {"given": "stated", "cited": "cited from elsewhere", "checked": ""}

# The fields that the page needs: a type, a list of one shape, or a choice with None.
PRINTED: Final = (None, {"latex": str, "text": str})
SHAPE: Final[dict[str, Any]] = {
    "schema": int,
    "bnproof": str,
    "created": str,
    "command": str,
    "environment": dict,
    "settings": {"scale": str, "data": str},
    "claims": [
        {
            "id": str,
            "title": str,
            "sources": [{"document": str, "locator": str}],
            "statement": str,
            "relation": PRINTED,
            "domain": PRINTED,
            "control": PRINTED,
            "remark": str,
            "corrects": (None, str),
            "verdict": str,
            "scale": (None, str),
            "expected": str,
            "as_expected": bool,
            "error": (None, str),
            "steps": [{"words": str, "latex": str, "text": str, "kind": str}],
            "evidence": [
                {
                    "kind": str,
                    "holds": (None, bool),
                    "control_differs": bool,
                    "summary": str,
                    "numbers": dict,
                    "provenance": dict,
                }
            ],
            "figure": (None, {"file": str, "alt": str}),
            "seconds": float,
        }
    ],
    "normalizers": [dict],
    "layers": [dict],
}


class ReportError(UserError):
    """An evidence document or a figure that the page cannot be made from; one line."""


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write the page to ``index.html`` in `folder`, whole or not at all.

    Figures are read from ``folder/figures``.

    Raises
    ------
    ReportError
        As `build`.
    UserError
        If the folder cannot be written.
    """
    path = folder / PAGE
    write_text(path, build(document, folder / FOLDER))
    return path


def build(document: Mapping[str, Any], figures: Path | None) -> str:
    """Return the page; without a folder of figures only their descriptions are shown.

    Raises
    ------
    ReportError
        If the document is of another schema, a field is missing or of another type, or a figure
        cannot be read.
    """
    if document.get("schema") != SCHEMA:
        raise ReportError(f"the evidence has schema {document.get('schema')!r}, not {SCHEMA}")
    _require(document, SHAPE, "evidence")
    claims = document["claims"]
    sheet = Sheet()
    page = (
        _environment()
        .get_template("report.html")
        .render(
            document=document,
            sheet=sheet,
            figure=lambda claim: _figure(claim, figures),
            tally=_tally(claims),
            groups=_groups(claims),
            surprises=[claim for claim in claims if not claim["as_expected"]],
            titles={claim["id"]: claim["title"] or claim["id"] for claim in claims},
            corrections={claim["corrects"]: claim["id"] for claim in claims},
            evidence_file=NAME,
        )
    )
    # A lone surrogate, which JSON can carry, cannot be written as UTF-8.
    return page.encode("utf-8", "replace").decode("utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(HOLDS=HOLDS, STEP=STEP, DOCUMENTS=DOCUMENTS)
    environment.filters.update(plain=plain, columns=columns, outcome=outcome, places=places)
    environment.tests.update(simple=simple)
    return environment


def _require(value: Any, shape: Any, where: str) -> None:
    """Check `value` against a shape as in `SHAPE`."""
    if isinstance(shape, tuple):
        if value is not None:
            _require(value, shape[1], where)
    elif isinstance(shape, list):
        _require(value, list, where)
        for index, item in enumerate(value):
            name = item.get("id", index) if isinstance(item, dict) else index
            _require(item, shape[0], f"{where}[{name}]")
    elif isinstance(shape, dict):
        _require(value, dict, where)
        for name, inner in shape.items():
            if name not in value:
                raise ReportError(f"{where}: field {name!r} is missing; run `bnproof verify` anew")
            _require(value[name], inner, f"{where}.{name}")
    elif not isinstance(value, (int, float) if shape is float else shape):
        raise ReportError(f"{where}: expected {shape.__name__}, found {type(value).__name__}")


def outcome(verdict: str) -> str:
    """Key of `OUTCOMES` for a verdict; an unknown one decides nothing."""
    return next((key for key, (_, names) in OUTCOMES.items() if verdict in names), "open")


def _groups(claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Heading and claims of each outcome that occurs."""
    members = {
        heading: [claim for claim in claims if outcome(claim["verdict"]) == key]
        for key, (heading, _) in OUTCOMES.items()
    }
    return [(heading, found) for heading, found in members.items() if found]


def _tally(claims: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts by source document and verdict; a claim of two documents counts for each."""
    order = [verdict for _, names in OUTCOMES.values() for verdict in names]
    total = Counter(claim["verdict"] for claim in claims)
    rows: dict[str, Counter[str]] = {}
    for claim in claims:
        for key in {source["document"] for source in claim["sources"]} or {""}:
            rows.setdefault(key, Counter())[claim["verdict"]] += 1
    known = [*DOCUMENTS, *sorted(set(rows) - set(DOCUMENTS))]
    return {
        "verdicts": sorted(total, key=lambda name: order.index(name) if name in order else 99),
        "rows": [(key, rows[key]) for key in known if key in rows],
        "total": total,
    }


def places(sources: Sequence[Mapping[str, str]]) -> list[tuple[str, Document | None, str]]:
    """Key, document and locators of each document named, in the order of first mention."""
    locators: dict[str, list[str]] = {}
    for source in sources:
        locators.setdefault(source["document"], []).append(source["locator"])
    return [(key, DOCUMENTS.get(key), "; ".join(found)) for key, found in locators.items()]


def plain(value: Any) -> str:
    """A number with four significant digits, a row of them, or a word."""
    if value is None:
        return "not finite"  # JSON has no NaN and no infinity
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        more = f", … ({len(value)} in all)" if len(value) > SHOWN else ""
        return ", ".join(map(plain, value[:SHOWN])) + more
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def simple(value: Any) -> bool:
    """Whether a value fits in one cell of a table."""
    if isinstance(value, list):
        return not any(isinstance(item, list | Mapping) for item in value)
    return not isinstance(value, Mapping)


def columns(value: Any) -> list[str]:
    """Column heads if `value` holds mappings with the same simple fields; else none."""
    items = list(value.values()) if isinstance(value, Mapping) else value
    if not items or not all(isinstance(item, Mapping) and item for item in items):
        return []
    heads = list(items[0])
    same = all(list(item) == heads and all(map(simple, item.values())) for item in items)
    return heads if same else []


def _figure(claim: Mapping[str, Any], figures: Path | None) -> Markup | None:
    """The figure's file as a data address: inside it nothing can run, load or clash."""
    if figures is None:
        return None
    path = figures / Path(claim["figure"]["file"]).name
    try:
        svg = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ReportError(
            f"claim {claim['id']}: cannot read figure {path}: {reason}; run `bnproof verify` anew"
        ) from None
    # Percent-encoded, which is shorter than base64; quote() leaves no character of HTML.
    return Markup("data:image/svg+xml;charset=utf-8,") + Markup(quote(svg, safe=" =:/;,.()-_"))
