"""The report: a single HTML page, generated from an evidence document.

The page is self-contained and needs no network.  Its script, for searching, filtering and copying,
is optional.  All strings of the document are escaped.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from bnproof.report import citation
from bnproof.report.document import FIGURE_FOLDER, NAME, SCHEMA
from bnproof.report.formulas import FormulaRenderer
from bnproof.report.tables import plain, settings, tables
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text
from bnproof.theory.ledger.verdict import DEFINITION, Class
from bnproof.theory.proving.derivation import KINDS
from bnproof.theory.sources import DOCUMENTS, Document

PAGE: Final = "index.html"
SAFE: Final = " '=:/;,.()-_{}<>+!?*"  # characters that need no encoding in a quoted data URL
TEMPLATES: Final = Path(__file__).parent / "templates"

# Outcome of a claim: what is said of one and of several, and verdicts.
OUTCOMES: Final = {
    "holds": (("holds", "hold"), ("proved", "supported", "reproduced")),
    "fails": (("does not hold", "do not hold"), ("refuted", "unsupported", "not reproduced")),
    "open": (
        ("is open", "are open"),
        ("seen in miniature", "not seen in miniature", "undecided", "error"),
    ),
}
HOLDS: Final = {
    True: "According to this evidence, the claim holds.",
    False: "According to this evidence, the claim does not hold.",
    None: "This evidence alone does not decide the claim.",
}
MINIATURE: Final = (
    "This is smaller, shorter or on other images than the experiment of the source, and decides "
    "nothing about it."
)
# Classes of sentences, in order, and the outcome whose colour they have.
CLASSES: Final = {
    str(Class.AS_PRINTED): "holds",
    str(Class.CORRECTED): "holds",
    str(Class.FAILS): "fails",
    str(Class.OPEN): "open",
    DEFINITION: "open",
}

# Required fields of a document: a type, a list of one shape, or an optional shape (None, shape).
PRINTED: Final = (None, {"latex": str, "text": str})
SHAPE: Final[dict[str, Any]] = {
    "schema": int,
    "bnproof": str,
    "created": str,
    "command": str,
    "environment": dict,
    "settings": {"scale": str, "data": str},
    "sentences": [
        {
            "id": str,
            "document": str,
            "locator": str,
            "quotation": str,
            "class": str,
            "repeats": (None, str),
            "as_printed": list,
            "readings": list,
            "correction": list,
            "slip": str,
            "missing": str,
        }
    ],
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
            "reads": (None, str),
            "corrects": list,
            "credit": dict,
            "verdict": str,
            "setting": (None, str),
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
    """An invalid evidence document or figure; the message is one line."""


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write the page to ``index.html`` in `folder`, atomically.

    Figures are read from ``folder/figures``.

    Raises
    ------
    ReportError
        See `build`.
    UserError
        If the folder is not writable.
    """
    path = folder / PAGE
    write_text(path, build(document, folder / FIGURE_FOLDER))
    return path


def build(document: Mapping[str, Any], figures: Path | None) -> str:
    """Return the page; without a folder of figures, only their descriptions are shown.

    Raises
    ------
    ReportError
        If the document has another schema, a field is missing or has the wrong type, or a figure
        cannot be read.
    """
    schema = document.get("schema")
    if schema != SCHEMA:
        raise ReportError(f"evidence: schema {schema!r} must be {SCHEMA}; run `bnproof verify`")
    _check_shape(document, SHAPE, "evidence")
    claims = document["claims"]
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    page = (
        _environment()
        .get_template("report.html")
        .render(
            document=document,
            formulas=FormulaRenderer(),
            figure=lambda claim: _figure(claim, figures),
            tally=_tally(document["sentences"]),
            sentences={one["id"]: one for one in document["sentences"]},
            verdicts=_ordered(claim["verdict"] for claim in claims),
            groups=_groups(claims),
            kinds=sorted({kind for claim in claims for kind in kinds(claim)}),
            known=(document["settings"], document["environment"]),
            script=Markup(script),  # trusted, part of this package
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            left=document.get("left", ()),
            surprises=[claim for claim in claims if not claim["as_expected"]],
            titles={claim["id"]: claim["title"] or claim["id"] for claim in claims},
            evidence_file=NAME,
        )
    )
    # JSON strings can contain lone surrogates, which cannot be encoded as UTF-8.
    return page.encode("utf-8", "replace").decode("utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(HOLDS=HOLDS, STEP=KINDS, CLASSES=CLASSES, DOCUMENTS=DOCUMENTS)
    environment.globals.update(MINIATURE=MINIATURE)
    environment.filters.update(plain=plain, tables=tables, outcome=outcome, places=places)
    environment.filters.update(kinds=kinds, settings=settings)
    environment.filters.update(latex=citation.latex, bibtex=citation.bibtex)
    return environment


def _check_shape(value: Any, shape: Any, where: str) -> None:
    """Check `value` against a shape as in `SHAPE`."""
    if isinstance(shape, tuple):
        if value is not None:
            _check_shape(value, shape[1], where)
    elif isinstance(shape, list):
        _check_shape(value, list, where)
        for index, item in enumerate(value):
            name = item.get("id", index) if isinstance(item, dict) else index
            _check_shape(item, shape[0], f"{where}[{name}]")
    elif isinstance(shape, dict):
        _check_shape(value, dict, where)
        for name, inner in shape.items():
            if name not in value:
                raise ReportError(f"{where}: field {name!r} is missing; run `bnproof verify` again")
            _check_shape(value[name], inner, f"{where}.{name}")
    elif not isinstance(value, (int, float) if shape is float else shape):
        raise ReportError(f"{where}: expected {shape.__name__}, found {type(value).__name__}")


def outcome(verdict: str) -> str:
    """Return the key of `OUTCOMES` for a verdict; an unknown verdict is open."""
    return next((key for key, (_, names) in OUTCOMES.items() if verdict in names), "open")


def _groups(claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, tuple[str, str], list[Any]]]:
    """Return key, words and claims of each outcome that occurs."""
    members = [
        (key, words, [claim for claim in claims if outcome(claim["verdict"]) == key])
        for key, (words, _) in OUTCOMES.items()
    ]
    return [group for group in members if group[2]]


def _tally(sentences: Sequence[Mapping[str, Any]]) -> list[tuple[str | None, dict[str, int]]]:
    """Count sentences by class, for each source document and, last, for all."""
    counts: dict[str, Counter[str]] = {}
    for sentence in sentences:
        counts.setdefault(sentence["document"], Counter())[sentence["class"]] += 1
    keys = [*DOCUMENTS, *sorted(key for key in counts if key not in DOCUMENTS)]
    rows = [(key, counts[key]) for key in keys if key in counts]
    total = sum(counts.values(), Counter())
    return [(key, {name: row[name] for name in CLASSES}) for key, row in [*rows, (None, total)]]


def _ordered(verdicts: Iterable[str]) -> list[str]:
    """Return distinct verdicts in the order of `OUTCOMES`, unknown ones last."""
    order = [verdict for _, names in OUTCOMES.values() for verdict in names]
    distinct = set(verdicts)
    return [*(name for name in order if name in distinct), *sorted(distinct - set(order))]


def places(sources: Sequence[Mapping[str, str]]) -> list[tuple[str, Document | None, str]]:
    """Return key, document and locators of each source document, in the order of first mention."""
    locators: dict[str, list[str]] = {}
    for source in sources:
        locators.setdefault(source["document"], []).append(source["locator"])
    return [(key, DOCUMENTS.get(key), "; ".join(parts)) for key, parts in locators.items()]


def kinds(claim: Mapping[str, Any]) -> list[str]:
    """Return the distinct kinds of a claim's evidence."""
    return list(dict.fromkeys(item["kind"] for item in claim["evidence"]))


def _figure(claim: Mapping[str, Any], figures: Path | None) -> Markup | None:
    """Return a figure as a data URL, in which scripts do not run and ids cannot clash."""
    if figures is None:
        return None
    path = figures / Path(claim["figure"]["file"]).name
    try:
        svg = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ReportError(
            f"claim {claim['id']}: cannot read figure {path}: {reason}; run `bnproof verify` again"
        ) from None
    # Percent-encoding is shorter than base64 here.  Within double quotes ', < and > are safe, and
    # " and & are encoded.
    return Markup("data:image/svg+xml;charset=utf-8,") + Markup(quote(svg, safe=SAFE))
