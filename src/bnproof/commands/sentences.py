"""The command `bnproof sentences`: list the sentences of the sources, and check the quotations."""

import json as json_module
import textwrap
from pathlib import Path
from typing import Final

from bnproof.catalogue import entries
from bnproof.theory.ledger import book
from bnproof.theory.ledger.sentence import Sentence
from bnproof.theory.ledger.verdict import DEFINITION, Class, Verdict
from bnproof.theory.listing import Entry

WIDTH: Final = 88  # columns of a quotation


def sentences(*, json: bool = False, check: Path | None = None) -> int:
    """List the sentences of the sources with their class, by the expected verdicts.

    Parameters
    ----------
    json
        Print a JSON list instead of a table.
    check
        Folder of the source documents, as text files: compare every quotation and locator with
        them, and every claim with the sentences; print what differs and nothing else.
    """
    listed = [entry for entry in entries().values() if isinstance(entry, Entry)]
    verdicts = {entry.id: entry.expected for entry in listed}
    if check is not None:
        return _check(check, verdicts)
    known = book.sentences().values()
    if json:
        rows = [book.described(sentence, verdicts) for sentence in known]
        print(json_module.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    for sentence in known:
        print(f"{sentence.id}: {class_in_words(sentence, verdicts)}")
        print(textwrap.indent(textwrap.fill(" ".join(sentence.quotation.split()), WIDTH), "    "))
        if sentence.repeats:
            print(f"    read as {sentence.repeats}")
        elif sentence.claims:
            print(f"    claims: {', '.join(sentence.claims)}")
    counts = book.tally(verdicts).values()
    total = {name: sum(row[name] for row in counts) for name in (*Class, None)}
    print(", ".join(f"{count} {name or 'definitions'}" for name, count in total.items()))
    return 0


def class_in_words(sentence: Sentence, verdicts: dict[str, str]) -> str:
    """The class of a sentence, with the slip that is corrected or what is missing."""
    found, own = book.class_of(sentence, verdicts), book.original(sentence)
    if found is Class.CORRECTED:
        return f"{found}: {own.slip}"
    if found is Class.OPEN:
        return f"{found}: {own.still_open(verdicts)}"
    return str(found or DEFINITION)


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
