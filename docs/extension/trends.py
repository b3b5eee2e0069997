"""Verdicts against length and width, on other processors, and the time that experiments take."""

from functools import partial
from pathlib import Path
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bnproof.catalogue import experiments
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.plan import core_minutes
from bnproof.empirical.training.cost import table as cost_table
from bnproof.empirical.trend import SCALES, lengths
from bnproof.report import figures
from bnproof.report.document import FIGURE_FOLDER
from bnproof.results import processors, trend_figure, trends
from bnproof.results.record_files import read
from bnproof.theory.claim import Claim, Scale
from extension.gallery import DRAWN
from extension.nodes import Inline, bullets, code, page, paragraph, section, table

COLUMNS: Final = ("updates", "ratio at three stages", "A18, figure 4", "ours")


def trained_at_constant_rates() -> list[Claim]:
    """The experiments that have a trend."""
    return [
        claim
        for claim in experiments()
        if experiment_of(claim).trains
        and any(lengths(experiment_of(claim), scale) for scale in SCALES)
    ]


def has_numbers(claim: Claim) -> bool:
    """Whether there is a trend, a comparison of processors, or numbers of the source to show."""
    known = trends.path_of(claim.id) or processors.paths_of(claim.id)
    return bool(known or experiment_of(claim).traced)


def body(claim: Claim, source: Path) -> list[nodes.Node]:
    """One paragraph on an experiment, with its figure if it was measured."""
    path = trends.path_of(claim.id)
    parts: list[Inline] = []
    below: list[nodes.Node] = []
    points: list[trends.Judged] = []
    if path is None:
        command = f"bnproof experiment run {claim.id} --scale long"
        parts += ["Not measured against the length yet: ", code(command), " trains the networks."]
    else:
        points = trends.judged(claim, read(path))
        parts.append(trends.words(points))
        uri = f"/{DRAWN}/{FIGURE_FOLDER}/trend_{claim.id}.svg"
        alt = figures.write(
            Path(source, uri[1:]), partial(trend_figure.draw, claim=claim, points=points)
        )
        below.append(nodes.image("", uri=uri, alt=alt, classes=["figure"]))
    for place in processors.paths_of(claim.id):
        evidence = processors.judged(claim, read(place))
        scale = place.suffixes[-2][1:]
        parts.append(f" At scale {scale}: {processors.words(evidence)}.")
        below.append(table(processors.columns(evidence), processors.rows(claim, evidence)))
    rows = trends.source_rows(experiment_of(claim), points)
    if rows:
        below.append(table(COLUMNS, rows))
    return [paragraph(*_named(claim), " ", *parts), *below]


def _named(claim: Claim) -> list[Inline]:
    """What an experiment is about, and where that is printed."""
    sources = "; ".join(map(str, claim.sources))
    return [page(f"/science/{claim.id}", claim.title, literal=False), f" ({sources})."]


class TrendsDirective(SphinxDirective):
    """Shows all trends."""

    def run(self) -> list[nodes.Node]:
        """Build one section per experiment, and one for those that have no numbers yet."""
        source = Path(self.env.srcdir)
        claims = trained_at_constant_rates()
        shown = [section(one.id, *body(one, source)) for one in claims if has_numbers(one)]
        rest = [_named(one) for one in claims if not has_numbers(one)]
        if not rest:
            return shown
        command = code("bnproof experiment run ID --scale long")
        words = paragraph("Not measured against the length; ", command, " trains the networks.")
        return [*shown, section("Not measured yet", words, bullets(rest))]


class CostsDirective(SphinxDirective):
    """Shows the time of every experiment that trains."""

    def run(self) -> list[nodes.Node]:
        """Build a sentence on the processor and a table."""
        about = cost_table()
        rows = [
            (claim.id, *(_minutes(claim, scale) for scale in Scale))
            for claim in experiments()
            if experiment_of(claim).trains
        ]
        where = f"On one core of {about['processor']}, measured on {about['date']}."
        return [paragraph(where), table(("experiment", *map(str, Scale)), rows)]


def _minutes(claim: Claim, scale: Scale) -> str:
    one, half = (
        core_minutes(experiment_of(claim), scale, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    return f"{one:,.1f} ({half:,.1f})" if one < 10 else f"{one:,.0f} ({half:,.0f})"


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("trends", TrendsDirective)
    app.add_directive("costs", CostsDirective)
