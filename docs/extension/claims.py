"""One claim as a part of a document tree: what its file says, and what is published of it."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import sympy as sp
from docutils import nodes

from bnproof.catalogue import file_of
from bnproof.empirical.experiment import Experiment
from bnproof.results import published
from bnproof.theory.claim import (
    Argument,
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
from bnproof.theory.sources import DOCUMENTS
from bnproof.theory.symbols import latex
from extension.nodes import (
    Inline,
    bullets,
    code,
    folded,
    formula,
    page,
    paragraph,
    section,
    table,
)
from extension.proofs import MEANS as EXACT
from extension.proofs import proofs

MEANS: Final[Mapping[type, str]] = {
    Proof: "a derivation, each step checked by SymPy",
    Argument: "a derivation with an essential step in words, which decides nothing",
    Disproof: "a derivation that both sides differ in every case",
    Counterexample: "an exact counterexample, re-evaluated in rational arithmetic",
    ExactCase: "an exact counterexample, computed from raw data in exact arithmetic",
    RandomTest: "the relation on random instances, measured by automatic differentiation",
    SpectrumTest: "spectra of random matrices beside their law",
    Experiment: "an experiment on images",
}
UNMEASURED: Final = "not measured"


def body(claim: Claim, root: Path, figure: tuple[str, str] | None) -> list[nodes.Node]:
    """Everything below the page's heading.

    Parameters
    ----------
    root
        Folder that holds the packages: paths of files are relative to it.
    figure
        Address and text alternative of the figure of the published measurements.
    """
    trial: Experiment | None = claim.check_of(Experiment)
    return [
        paragraph(claim.title, name="lead"),
        paragraph(
            "Expected verdict: ",
            nodes.strong("", str(claim.expected), classes=[_colour(claim)]),
            ". It decides nothing: ",
            code("bnproof verify"),
            " computes the verdict from the evidence, and a difference fails.",
        ),
        section("As printed", formula(claim.statement), bullets(_sources(claim))),
        *_relation(claim),
        section("How it is decided", bullets(_means(claim, root)), _commands(claim)),
        *proofs(claim),
        *(_experiment(claim, trial, figure) if trial else ()),
        *([section("Remark", paragraph(claim.remark))] if claim.remark else ()),
        *_corrects(claim),
        section("The file", *_file(claim, root)),
    ]


def _colour(claim: Claim) -> str:
    return "verdict-" + str(claim.expected).replace(" ", "-")


def verdict(claim: Claim) -> str:
    """The expected verdict, unless it is up to an experiment of which nothing is published."""
    if claim.check_of(Experiment) and published.evidence(claim) is None:
        return UNMEASURED
    return str(claim.expected)


def _sources(claim: Claim) -> list[list[Inline]]:
    """Each document once, with the places in it."""
    places: dict[str, list[str]] = {}
    for source in claim.sources:
        places.setdefault(source.document, []).append(source.locator)
    items: list[list[Inline]] = []
    for key, locators in places.items():
        found = DOCUMENTS[key]
        where = f", {found.where}" if found.where else ""
        items.append(
            [
                page(f"/science/{key}", key, literal=False),
                f", {'; '.join(locators)}. {found.authors}, ",
                nodes.emphasis("", found.title),
                f", {found.year}{where}",
            ]
        )
    return items


def _relation(claim: Claim) -> list[nodes.Node]:
    if claim.relation is None:
        return []
    parts: list[nodes.Node] = [
        paragraph("The object that is proved or refuted, and evaluated on random instances:"),
        formula(latex(claim.relation)),
    ]
    if claim.domain != sp.true:
        parts += [paragraph("where"), formula(latex(claim.domain))]
    if claim.control is not None:
        parts += [
            paragraph("The control, which must get the opposite answer:"),
            formula(latex(claim.control)),
        ]
    return [section("What is tested", *parts)]


def _means(claim: Claim, root: Path) -> list[list[Inline]]:
    """Each means in words, and where the derivation stands."""
    items: list[list[Inline]] = []
    for spec in claim.checks:
        words: list[Inline] = [MEANS[type(spec)]]
        if isinstance(spec, Proof | Disproof | Argument):
            file = Path(inspect.getfile(inspect.unwrap(spec.prove))).relative_to(root)
            of = ", of the corrected form" if getattr(spec, "of_control", False) else ""
            words += [f"{of}: ", code(f"{spec.prove.__name__}()"), " in ", code(file.as_posix())]
        items.append(words)
    return items


def _commands(claim: Claim) -> nodes.paragraph:
    exact = any(isinstance(spec, EXACT) for spec in claim.checks)
    parts: list[Inline] = ["To repeat it: ", code(f"bnproof verify {claim.id}")]
    if exact:
        parts += [". Step by step: ", code(f"bnproof derive {claim.id}")]
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
                *([f"{name}: {words}"] for name, words in trial.networks.items()),
                [f"data: {trial.data or 'images; those of --data, else the embedded photographs'}"],
                [f"control: {trial.control}; put in the place of the network {trial.made_of}"],
            ]
        ),
        table(("scale", "batch", "seeds", "updates a run", "images read"), scales),
        paragraph("Criteria, on medians over seeds, stated in the claim's file:"),
        table(("measured", "asked", "network"), criteria),
    )
    found = published.evidence(claim)
    if found is None:
        words = "Not measured yet: nothing is published, and nothing is claimed."
        return [protocol, section("Published result", paragraph(words))]
    return [protocol, section("Published result", *_result(found, figure))]


def _result(found: Evidence, figure: tuple[str, str] | None) -> list[nodes.Node]:
    """Verdict, provenance, criteria, and the source's numbers where it prints any."""
    about = found.provenance
    seeds = len(about["seeds"])
    parts: list[nodes.Node] = [
        paragraph(nodes.strong("", str(decide([found]))), f" at scale {about['scale']}."),
        bullets(
            [
                ["command: ", code(about["command"])],
                [f"data: {about['data set']}, {seeds} seeds"],
                [f"device: {published.machine(found)}"],
                [f"date: {about['measured']}, commit {about['commit']}"],
            ]
        ),
        table(
            ("measured", "asked", "found", "seeds", "control"),
            published.criteria_rows(found),
        ),
    ]
    beside = published.printed_rows(found)
    if beside:
        parts.append(table(("beside the source", "printed", "found"), beside))
    if figure is not None:
        parts.append(nodes.image("", uri=figure[0], alt=figure[1], classes=["figure"]))
    return parts


def _corrects(claim: Claim) -> list[nodes.Node]:
    if claim.corrects is None:
        return []
    link = page(f"/science/{claim.corrects}", claim.corrects)
    return [section("Corrects", paragraph("This is the corrected form of ", link, "."))]


def _file(claim: Claim, root: Path) -> list[nodes.Node]:
    path = file_of(claim.id)
    if path is None:
        return [paragraph("The claim stands in no file of this repository.")]
    text = path.read_text(encoding="utf-8")
    source = nodes.literal_block(text, text, language="python")
    return [paragraph(code(str(path.relative_to(root)))), *folded("Show it", source)]
