"""Generate a page for each claim and each source document."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bnproof.catalogue import catalogue, file_of
from bnproof.theory.claim import Claim
from bnproof.theory.ledger import book
from bnproof.theory.ledger.sentence import Sentence
from bnproof.theory.ledger.verdict import Class
from bnproof.theory.loading import LoadError
from bnproof.theory.sources import DOCUMENTS
from extension import claims, gallery
from extension.nodes import Inline, page, paragraph, quotation, table

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = "science"


@cache
def all_claims() -> dict[str, Claim]:
    """Return all claims by id.

    Raises
    ------
    ValueError
        If a claim cannot be loaded.
    """
    by_id: dict[str, Claim] = {}
    for entry in catalogue().values():
        if isinstance(entry, LoadError):
            raise ValueError(entry.error)
        by_id[entry.id] = entry
    return by_id


def by_source(known: Mapping[str, Claim]) -> dict[str, list[Claim]]:
    """Group claims by source document; a claim with two sources is in both groups."""
    return {
        key: [
            claim
            for claim in known.values()
            if key in {source.document for source in claim.sources}
        ]
        for key in DOCUMENTS
    }


def escaped(text: str) -> str:
    """Escape all ASCII punctuation for MyST, and join lines."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def short(key: str) -> str:
    """Return a document's key, first author and year."""
    document = DOCUMENTS[key]
    first, more, _ = document.authors.partition(", ")
    return f"{key}: {first.split('. ')[-1]}{' et al.' if more else ''}, {document.year}"


def write(app: Sphinx) -> None:
    """Write the pages to the source folder, leaving unchanged ones untouched.

    A page consists of a heading and a directive, which builds the content.
    """
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    known = all_claims()
    pages = {
        claim.id: f"# {escaped(claim.id)}\n\n```{{claim}} {claim.id}\n```\n"
        for claim in known.values()
    }
    listed: set[str] = set()
    for key, members in by_source(known).items():
        new = [claim.id for claim in members if claim.id not in listed]
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
        """Build the nodes; the page depends on the claim's file and its published results."""
        claim = all_claims()[self.arguments[0]]
        if path := file_of(claim.id):
            self.env.note_dependency(path)
        figure = gallery.published_figure(claim, Path(self.env.srcdir))
        return claims.body(claim, ROOT, figure)


class SourceDirective(SphinxDirective):
    """A source document with a table of its claims."""

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
            for claim in by_source(all_claims())[key]
        ]
        printed = [
            node
            for sentence in book.sentences().values()
            if sentence.document == key
            for node in _sentence(sentence)
        ]
        return [head, *printed, table(("claim", "in one sentence", "verdict"), rows)]


def _sentence(sentence: Sentence) -> list[nodes.Node]:
    """A sentence as printed, its class, and the claims that read it."""
    known = book.class_in_words(sentence, claims.expected())
    read: list[Inline] = [f"{sentence.source.locator}. {known[0].upper()}{known[1:]}."]
    if sentence.repeats:
        read.append(f" Read as {sentence.repeats}.")
    for claim in filter(all_claims().__contains__, sentence.claims):
        read += [" ", page(f"/{FOLDER}/{claim}", claim)]
    return [*quotation(sentence.quotation), paragraph(*read)]


class SourcesDirective(SphinxDirective):
    """A table of all source documents with the number of sentences of each class."""

    def run(self) -> list[nodes.Node]:
        """Build the nodes."""
        counts = book.tally(claims.expected())
        heads = ("source", *map(str, Class), "definitions")
        rows = [
            (
                page(f"/{FOLDER}/{key}", short(key), literal=False),
                *(str(row[name] or "") for name in (*Class, None)),
            )
            for key, row in counts.items()
        ]
        return [table(heads, rows)]


def setup(app: Sphinx) -> None:
    """Register the directives, and write the pages before the sources are read."""
    directives: dict[str, Any] = {
        "claim": ClaimDirective,
        "source": SourceDirective,
        "sources": SourcesDirective,
    }
    for name, directive in directives.items():
        app.add_directive(name, directive)
    app.connect("builder-inited", write)
