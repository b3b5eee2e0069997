"""The science: a page a claim and a page a source, written when the build begins."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bnproof.catalogue import catalogue, file_of
from bnproof.theory.claim import Claim, Verdict
from bnproof.theory.loading import LoadError
from bnproof.theory.sources import DOCUMENTS
from extension import claims, gallery
from extension.nodes import Inline, page, paragraph, table

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = "science"


@cache
def whole() -> dict[str, Claim]:
    """Every claim, by id.

    Raises
    ------
    ValueError
        If a claim's file does not load.
    """
    found: dict[str, Claim] = {}
    for entry in catalogue().values():
        if isinstance(entry, LoadError):
            raise ValueError(entry.error)
        found[entry.id] = entry
    return found


def by_source(known: Mapping[str, Claim]) -> dict[str, list[Claim]]:
    """Claims of each source document; a claim of two documents stands with both."""
    return {
        key: [
            claim
            for claim in known.values()
            if key in {source.document for source in claim.sources}
        ]
        for key in DOCUMENTS
    }


def escaped(text: str) -> str:
    """Text that MyST reads as that text: one line, every ASCII punctuation mark escaped."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def short(key: str) -> str:
    """A document's key, its first author and its year."""
    document = DOCUMENTS[key]
    first, more, _ = document.authors.partition(", ")
    return f"{key}: {first.split('. ')[-1]}{' et al.' if more else ''}, {document.year}"


def write(app: Sphinx) -> None:
    """Write the pages into the source folder; those that would not change stay untouched.

    A page is a heading and a directive: its content is built as nodes when it is read.
    """
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    known = whole()
    pages = {
        claim.id: f"# {escaped(claim.id)}\n\n```{{claim}} {claim.id}\n```\n"
        for claim in known.values()
    }
    listed: set[str] = set()
    for key, found in by_source(known).items():
        new = [claim.id for claim in found if claim.id not in listed]
        listed.update(new)
        entries = "".join(f"{name}\n" for name in new)
        pages[key] = f"# {escaped(short(key))}\n\n```{{source}} {key}\n```\n\n"
        pages[key] += f"```{{toctree}}\n:hidden:\n\n{entries}```\n"
    for path in folder.glob("*.md"):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


class ClaimDirective(SphinxDirective):
    """The content of a claim's page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Build the nodes; the page depends on the claim's file and on what is published."""
        claim = whole()[self.arguments[0]]
        if path := file_of(claim.id):
            self.env.note_dependency(path)
        figure = gallery.published_figure(claim, Path(self.env.srcdir))
        return claims.body(claim, ROOT, figure)


class SourceDirective(SphinxDirective):
    """One document, and a table of the claims that it makes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Build the nodes."""
        key = self.arguments[0]
        document = DOCUMENTS[key]
        where = f", {document.where}" if document.where else ""
        head = paragraph(
            f"{document.authors}, ",
            nodes.emphasis("", document.title),
            f", {document.year}{where}.",
        )
        rows: list[tuple[Inline, ...]] = [
            (page(f"/{FOLDER}/{claim.id}", claim.id), claim.title, claims.verdict(claim))
            for claim in by_source(whole())[key]
        ]
        return [head, table(("claim", "statement", "verdict"), rows)]


class SourcesDirective(SphinxDirective):
    """All documents, and how many of their statements got which verdict."""

    def run(self) -> list[nodes.Node]:
        """Build the nodes."""
        found = {
            key: Counter(map(claims.verdict, known)) for key, known in by_source(whole()).items()
        }
        seen = set().union(*found.values())
        verdicts = [one for one in (*map(str, Verdict), claims.UNMEASURED) if one in seen]
        rows = [
            (
                page(f"/{FOLDER}/{key}", short(key), literal=False),
                *(str(counts[one] or "") for one in verdicts),
            )
            for key, counts in found.items()
        ]
        return [table(("source", *verdicts), rows)]


def setup(app: Sphinx) -> None:
    """Enter the directives, and write the pages before anything is read."""
    directives: dict[str, Any] = {
        "claim": ClaimDirective,
        "source": SourceDirective,
        "sources": SourcesDirective,
    }
    for name, directive in directives.items():
        app.add_directive(name, directive)
    app.connect("builder-inited", write)
