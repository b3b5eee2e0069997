"""The command `bnproof sentences`: list the sentences of the sources, and check the quotations."""

import json as json_module
import textwrap
from pathlib import Path
from typing import Final

from bnproof.catalogue import expected
from bnproof.theory.ledger import book
from bnproof.theory.ledger.verdict import Verdict

WIDTH: Final = 88  # columns of a quotation


def sentences(*, json: bool = False, check: Path | None = None) -> int:
    """List the sentences of the sources with their class, by the expected verdicts.

    Parameters
    ----------
    json
        Print a JSON list instead of a table.
    check
        Folder of the source documents, as text files: compare every quotation and locator with
        them, and the sentences with the claims; list what differs instead of the sentences.
    """
    verdicts = expected()
    if check is not None:
        return _check(check, verdicts)
    known = book.sentences().values()
    # Of a paper that is not among the source documents no quotation is compared.
    compared = {name: bool(chapter.text) for name, chapter in book.chapters().items()}
    if json:
        rows = [
            {**book.described(sentence, verdicts), "compared": compared[sentence.document]}
            for sentence in known
        ]
        print(json_module.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    for sentence in known:
        print(f"{sentence.id}: {book.class_in_words(sentence, verdicts)}")
        print(textwrap.indent(textwrap.fill(" ".join(sentence.quotation.split()), WIDTH), "    "))
        if not compared[sentence.document]:
            print(f"    not compared with {sentence.document}, which is not among the documents")
        if sentence.repeats:
            print(f"    read as {sentence.repeats}")
        elif sentence.claims:
            print(f"    claims: {', '.join(sentence.claims)}")
    counts = book.total(book.tally(verdicts))
    print(", ".join(f"{count} {name or 'definitions'}" for name, count in counts.items()))
    return 0


def _check(folder: Path, verdicts: dict[str, str]) -> int:
    """Print what differs from the source documents and from the claims; return 1 if anything."""
    from bnproof.theory.ledger.quotations import compare

    proofs = {name: verdict == Verdict.PROVED for name, verdict in verdicts.items()}
    found = [*compare(folder), *book.flaws(proofs)]
    for line in found:
        print(line)
    chapters = book.chapters().values()
    compared = [chapter.document for chapter in chapters if chapter.text]
    count = sum(len(chapter.sentences) for chapter in chapters if chapter.text)
    rest = [chapter.document for chapter in chapters if not chapter.text]
    if not found:
        print(
            f"{count} quotations of {', '.join(compared)} are word for word as in the documents; "
            f"{', '.join(rest)} is not among them"
        )
    return 1 if found else 0
