"""Export a claim: its formulas as LaTeX, its verdict and sources as BibTeX."""

import re
from collections.abc import Mapping
from typing import Any, Final

from bnproof.theory.sources import DOCUMENTS, Document

# TeX's special characters, escaped.
TEXT: Final = str.maketrans(
    {
        **{character: f"\\{character}" for character in "#$%&_"},
        # BibTeX and biber count escaped braces, which need not be balanced in a title.
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "|": r"\textbar{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "~": r"\textasciitilde{}",
    }
)
ARXIV: Final = "https://arxiv.org/abs/"
FORMULAS: Final = (
    ("relation", "relation that was checked"),
    ("domain", "where"),
    ("control", "control"),
)


def latex(claim: Mapping[str, Any]) -> str:
    """Return the claim's formulas, each preceded by a comment that describes it."""
    parts = [("how it is read" if claim["reads"] else "statement", claim["statement"])]
    parts += [(words, claim[name]["latex"]) for name, words in FORMULAS if claim[name]]
    return "\n".join(f"% {words}\n{_line(formula)}" for words, formula in parts if formula)


def bibtex(claim: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return an entry for this project's record of the verdict and one for each paper.

    The papers are the documents of the sentence that the claim reads, or of those that it corrects.
    """
    corrected = (sentence.partition(".")[0] for sentence in claim["corrects"])
    named = dict.fromkeys([*(source["document"] for source in claim["sources"]), *corrected])
    entries = [_verdict(claim, document)]
    entries += [
        _source(key, DOCUMENTS[key]) for key in named if key in DOCUMENTS.keys() - {"derived"}
    ]
    return "\n".join(entries)


def _verdict(claim: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    setting = claim["setting"] or f"scale {document['settings']['scale']}"
    kinds = ", ".join(dict.fromkeys(item["kind"] for item in claim["evidence"])) or "none"
    commits = dict.fromkeys(
        str(item["provenance"]["commit"])
        for item in claim["evidence"]
        if "commit" in item["provenance"]
    )
    given = "".join(f", given {theorem}" for theorem in claim.get("given", ()))
    summary = f"Verdict: {claim['verdict']}{given}. Evidence: {kinds}. Setting: {setting}"
    measured = f". Measured at commit {', '.join(commits)}" if commits else ""
    version = f"{document['bnproof']}, commit {document.get('commit', 'unknown')}"
    places = "; ".join(f"{source['document']}, {source['locator']}" for source in claim["sources"])
    return _entry(
        f"bnproof_{claim['id']}",
        author="{bnproof}",
        title=f"{{{_text(claim['title'] or claim['id'])}}}",
        year=_text(document["created"][:4]),
        version=_text(version),
        **({"url": url} if (url := _url(document.get("url", ""))) else {}),
        howpublished=_text(f"bnproof {version}, claim {claim['id']} ({places})"),
        note=_text(f"{summary}{measured}. Evidence of {document['created'][:10]}"),
    )


def _source(key: str, source: Document) -> str:
    surname = re.split(r"[ ,]+", source.authors.split(",")[0])[-1].lower()
    arxiv = source.where.removeprefix("arXiv:") if source.where.startswith("arXiv:") else ""
    return _entry(
        f"{surname}{source.year}_{key}",
        author=" and ".join(map(_author, source.authors.split(", "))),
        title=f"{{{_text(source.title)}}}",
        year=str(source.year),
        **({"eprint": arxiv, "archiveprefix": "arXiv", "url": ARXIV + arxiv} if arxiv else {}),
    )


def _url(address: str) -> str:
    """An address without characters that end a field or start a comment in BibTeX."""
    return re.sub(r"[^\w:/.?=&+~@-]", "", address, flags=re.ASCII)


def _author(name: str) -> str:
    """Protect a name without initials by braces, so that BibTeX does not split it."""
    return _text(name) if "." in name else f"{{{_text(name)}}}"


def _entry(key: str, **fields: str) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{re.sub(r'[^A-Za-z0-9_]', '_', key)},\n{lines}}}"


def _text(words: str) -> str:
    return _line(words).translate(TEXT)


def _line(words: str) -> str:
    """Join lines, so that a comment or a field cannot end early."""
    return " ".join(words.split())
