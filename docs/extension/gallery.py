"""The gallery: figures of published measurements and theoretical laws."""

import inspect
from pathlib import Path
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bnproof.catalogue import experiments
from bnproof.empirical.experiment import Experiment, experiment_of
from bnproof.empirical.experiment import draw as draw_experiment
from bnproof.report import figures
from bnproof.report.document import FIGURE_FOLDER
from bnproof.results import published
from bnproof.theory.claim import Claim, decide
from bnproof.theory.common.files import write_text
from extension.analytic import FIGURES
from extension.nodes import page, paragraph, section

DRAWN: Final = "drawn"  # subfolder of the sources; not committed


def published_figure(claim: Claim, source: Path) -> tuple[str, str] | None:
    """Return URI and alt text of the figure of a claim's published measurements, if any.

    A figure that is newer than the measurements and the claim's file is reused.
    """
    if claim.check_of(Experiment) is None:
        return None
    evidence = published.evidence(claim)
    if evidence is None:
        return None
    uri = f"/{DRAWN}/{FIGURE_FOLDER}/{claim.id}.svg"
    svg = source / uri[1:]
    words = svg.with_suffix(".txt")
    made_from = (
        published.FOLDER / f"{claim.id}.{evidence.provenance['scale']}.json",
        Path(inspect.getfile(experiment_of(claim).run)),
    )
    fresh = svg.exists() and words.exists()
    if not fresh or words.stat().st_mtime < max(path.stat().st_mtime for path in made_from):
        drawn = figures.save(claim, evidence, draw_experiment, source / DRAWN)
        if drawn is None:
            return None
        write_text(words, drawn["alt"])
    return uri, words.read_text(encoding="utf-8")


class PublishedDirective(SphinxDirective):
    """Shows the figures of all published measurements."""

    def run(self) -> list[nodes.Node]:
        """Build one section per experiment."""
        parts: list[nodes.Node] = []
        for claim in experiments():
            drawn = published_figure(claim, Path(self.env.srcdir))
            evidence = published.evidence(claim)
            if drawn is None or evidence is None:
                continue
            about = evidence.provenance
            parts.append(
                section(
                    claim.id,
                    paragraph(
                        page(f"/science/{claim.id}", claim.id),
                        f", {decide([evidence])}: {claim.title} Scale {about['scale']}, "
                        f"{about['data set']}, {len(about['seeds'])} seeds, {about['device']}, "
                        f"{about['measured']}.",
                    ),
                    nodes.image("", uri=drawn[0], alt=drawn[1], classes=["figure"]),
                )
            )
        return parts


class AnalyticDirective(SphinxDirective):
    """Shows the figures of theoretical laws."""

    def run(self) -> list[nodes.Node]:
        """Build one section per figure."""
        parts: list[nodes.Node] = []
        for name, figure in FIGURES.items():
            uri = f"/{DRAWN}/{FIGURE_FOLDER}/law_{name}.svg"
            alt = figures.write(Path(self.env.srcdir, uri[1:]), figure.draw)
            links = [page(f"/science/{claim}", claim) for claim in figure.claims]
            between = [part for link in links for part in (", ", link)][1:]
            image = nodes.image("", uri=uri, alt=alt, classes=["figure"])
            parts.append(section(figure.title, paragraph(figure.words, " ", *between, "."), image))
        return parts


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("published-figures", PublishedDirective)
    app.add_directive("analytic-figures", AnalyticDirective)
