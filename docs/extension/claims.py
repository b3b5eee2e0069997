"""The page of a claim: the contents of its file and the published results."""

import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import sympy as sp
from docutils import nodes

from bnproof import catalogue
from bnproof.catalogue import file_of
from bnproof.empirical.experiment import CONFIDENCE, Experiment
from bnproof.results import published
from bnproof.theory.claim import (
    Claim,
    Counterexample,
    Disproof,
    Evidence,
    ExactCase,
    Proof,
    RandomTest,
    SpectrumTest,
    decide,
)
from bnproof.theory.ledger import book
from bnproof.theory.ledger.credit import credit_of
from bnproof.theory.sources import DOCUMENTS
from bnproof.theory.symbols import latex
from bnproof.verification import EXACT
from extension.nodes import (
    Inline,
    bullets,
    code,
    folded,
    formula,
    page,
    paragraph,
    quotation,
    section,
    table,
)
from extension.proofs import proofs

CHECKS: Final[Mapping[type, str]] = {
    Proof: "a derivation, each step checked by SymPy",
    Disproof: "a derivation showing that both sides always differ",
    Counterexample: "an exact counterexample, evaluated in rational arithmetic",
    ExactCase: "an exact counterexample, computed from raw data in exact arithmetic",
    RandomTest: "a test on random instances, measured by automatic differentiation",
    SpectrumTest: "a comparison of spectra of random matrices with their law",
    Experiment: "an experiment on images",
}
UNMEASURED: Final = "not measured"


def body(claim: Claim, root: Path, figure: tuple[str, str] | None) -> list[nodes.Node]:
    """Return everything below the page's heading.

    Parameters
    ----------
    root
        Root of the repository; file paths are shown relative to it.
    figure
        URI and alt text of the figure of the published measurements.
    """
    trial: Experiment | None = claim.check_of(Experiment)
    return [
        paragraph(claim.title, name="lead"),
        paragraph(
            "Expected verdict: ",
            nodes.strong("", str(claim.expected), classes=[_colour(claim)]),
            ". ",
            code("bnproof verify"),
            " computes the verdict from the evidence and fails if it differs.",
        ),
        *_printed(claim),
        *([section("How it is read", formula(claim.statement))] if claim.statement else ()),
        section("Sources", bullets(_sources(claim))),
        *_relation(claim),
        section("How it is decided", bullets(_checks(claim, root)), _commands(claim)),
        *proofs(claim),
        *(_experiment(claim, trial, figure) if trial else ()),
        *([section("Remark", paragraph(claim.remark))] if claim.remark else ()),
        *_corrects(claim),
        *_credit(claim),
        section("The file", *_file(claim, root)),
    ]


def _printed(claim: Claim) -> list[nodes.Node]:
    """The sentence that a claim reads, and what is known of it."""
    sentence = book.read_by(claim.id)
    if sentence is None:
        return []
    known = f"{sentence.id}: {book.class_in_words(sentence, expected())}."
    return [section("As printed", *quotation(sentence.quotation), paragraph(known))]


@cache
def expected() -> dict[str, str]:
    """Expected verdict of every claim."""
    return catalogue.expected()


def _colour(claim: Claim) -> str:
    return "verdict-" + str(claim.expected).replace(" ", "-")


def verdict(claim: Claim) -> str:
    """Return the expected verdict, unless it depends on an unpublished experiment."""
    if claim.check_of(Experiment) and published.evidence(claim) is None:
        return UNMEASURED
    return str(claim.expected)


def _sources(claim: Claim) -> list[list[Inline]]:
    """Return each source document with its locators."""
    places: dict[str, list[str]] = {}
    for source in claim.sources:
        places.setdefault(source.document, []).append(source.locator)
    items: list[list[Inline]] = []
    for key, locators in places.items():
        document = DOCUMENTS[key]
        where = f", {document.where}" if document.where else ""
        items.append(
            [
                page(f"/science/{key}", key, literal=False),
                f", {'; '.join(locators)}. {document.authors}, ",
                nodes.emphasis("", document.title),
                f", {document.year}{where}",
            ]
        )
    return items


def _relation(claim: Claim) -> list[nodes.Node]:
    if claim.relation is None:
        return []
    parts: list[nodes.Node] = [
        paragraph("The relation that is proved or refuted and evaluated on random instances:"),
        formula(latex(claim.relation)),
    ]
    if claim.domain != sp.true:
        parts += [paragraph("where"), formula(latex(claim.domain))]
    if claim.control is not None:
        parts += [
            paragraph("The control, which must give the opposite answer:"),
            formula(latex(claim.control)),
        ]
    return [section("What is tested", *parts)]


def _checks(claim: Claim, root: Path) -> list[list[Inline]]:
    """Describe each check, with the function of a derivation."""
    items: list[list[Inline]] = []
    for spec in claim.checks:
        words: list[Inline] = [CHECKS[type(spec)]]
        if isinstance(spec, Proof | Disproof):
            file = Path(inspect.getfile(inspect.unwrap(spec.prove))).relative_to(root)
            of = ", of the corrected form" if getattr(spec, "of_control", False) else ""
            words += [f"{of}: ", code(f"{spec.prove.__name__}()"), " in ", code(file.as_posix())]
        items.append(words)
    return items


def _commands(claim: Claim) -> nodes.paragraph:
    exact = any(isinstance(spec, EXACT) for spec in claim.checks)
    parts: list[Inline] = ["To reproduce: ", code(f"bnproof verify {claim.id}")]
    if exact:
        parts += [". For the single steps: ", code(f"bnproof derive {claim.id}")]
    return paragraph(*parts, ".")


def _experiment(
    claim: Claim, trial: Experiment, figure: tuple[str, str] | None
) -> list[nodes.Node]:
    scales = [
        (
            str(scale),
            f"{size.batch}",
            f"{size.seeds}",
            f"{size.updates:,}" if size.updates else "none",
            "all" if size.images is None else f"{size.images:,}",
        )
        for scale, size in trial.sizes.items()
    ]
    criteria = [(row.words, row.asked, row.net) for row in trial.criteria]
    protocol = section(
        "Protocol",
        bullets(
            [
                *([f"{name}: {words}"] for name, words in trial.networks_in_words()),
                [f"data: {trial.data or 'images given by --data, or the embedded photographs'}"],
                *(
                    [f"{control.kind} control: {control.words}, in place of {control.made_of}"]
                    for control in trial.controls
                ),
            ]
        ),
        table(("scale", "batch", "seeds", "updates a run", "images read"), scales),
        paragraph("Criteria for medians over seeds, as stated in the claim's file:"),
        table(("criterion", "required", "network"), criteria),
    )
    evidence = published.evidence(claim)
    if evidence is None:
        return [protocol, section("Published result", paragraph("Not measured yet."))]
    return [protocol, section("Published result", *_result(evidence, figure))]


def _result(evidence: Evidence, figure: tuple[str, str] | None) -> list[nodes.Node]:
    """Return verdict, provenance, criteria and a comparison with numbers printed in the source."""
    about = evidence.provenance
    seeds = len(about["seeds"])
    parts: list[nodes.Node] = [
        paragraph(
            nodes.strong("", str(decide([evidence]))),
            f": {evidence.setting} (scale {about['scale']}).",
        ),
        bullets(
            [
                ["command: ", code(about["command"])],
                [f"data: {about['data set']}, {seeds} seeds"],
                [f"{CONFIDENCE}: {about[CONFIDENCE]:.1%}"],
                [f"device: {published.machine(evidence)}"],
                [f"date: {about['measured']}, commit {about['commit']}"],
            ]
        ),
        table(
            published.criteria_columns(evidence),
            published.criteria_rows(evidence),
        ),
    ]
    printed = published.printed_rows(evidence)
    if printed:
        parts.append(table(("quantity", "printed in the source", "measured"), printed))
    if figure is not None:
        parts.append(nodes.image("", uri=figure[0], alt=figure[1], classes=["figure"]))
    return parts


def _corrects(claim: Claim) -> list[nodes.Node]:
    corrected = book.corrected_by(claim.id)
    if not corrected:
        return []
    items: list[list[Inline]] = [
        [
            page(f"/science/{one.document}", one.source.locator, literal=False),
            f" of {one.document}: {one.slip}",
        ]
        for one in corrected
    ]
    return [section("Corrects", bullets(items))]


def _credit(claim: Claim) -> list[nodes.Node]:
    """Who printed it, who showed it first, and what is new here."""
    known = credit_of(claim.id)
    return [section("Credit", bullets([[f"{a}: {b}"] for a, b in known.lines()]))] if known else []


def _file(claim: Claim, root: Path) -> list[nodes.Node]:
    path = file_of(claim.id)
    if path is None:
        return [paragraph("The claim is not defined in this repository.")]
    text = path.read_text(encoding="utf-8")
    source = nodes.literal_block(text, text, language="python")
    return [paragraph(code(str(path.relative_to(root)))), *folded("Show", source)]
