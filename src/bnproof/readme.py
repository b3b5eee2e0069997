"""Generate the tables of README.md, and RESULTS.md.

``python -m bnproof.readme README.md`` writes the tables.  If an evidence file is given as second
argument, its findings on random matrices are updated as well.  A test compares the tables with the
code and the published measurements.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bnproof.catalogue import catalogue, expected, experiments
from bnproof.empirical.experiment import CONFIDENCE, confidence
from bnproof.report.document import load
from bnproof.results import published
from bnproof.theory.claim import Claim, Evidence, Kind, decide
from bnproof.theory.common.files import write_text
from bnproof.theory.ledger import book
from bnproof.theory.ledger.verdict import Class
from bnproof.theory.loading import LoadError
from bnproof.theory.normalizers.table import NORMALIZERS, facts
from bnproof.theory.sources import DOCUMENTS


def tally() -> str:
    """Markdown table of the sentences of each source by class; definitions are none of them."""
    table = book.tally(expected())
    heads = ["source", *Class, "all", "definitions"]
    rows = [row(*heads), "|" + "---|" * len(heads)]
    for key, counts in table.items():
        d = DOCUMENTS[key]
        rows.append(row(f"{key}: {d.authors}, *{d.title}*, {d.year}", *_counts(counts)))
    return "\n".join([*rows, row("all sources", *_counts(book.total(table)))])


def _counts(counts: Mapping[Class | None, int]) -> list[int]:
    classes = [counts[name] for name in Class]
    return [*classes, sum(classes), counts[None]]


def sentences_table() -> str:
    """Markdown table of all sentences, with their class and the claims that read them."""
    verdicts = expected()
    heads = ("sentence", "as printed", "what is known", "claims")
    rows = [row(*heads), "|" + "---|" * len(heads)]
    for sentence in book.sentences().values():
        quotation = " ".join(sentence.quotation.split()).replace("$$", "$")
        read = ", ".join(f"`{claim}`" for claim in sentence.claims)
        repeats = f"as {sentence.repeats}" if sentence.repeats else ""
        known = book.class_in_words(sentence, verdicts)
        rows.append(row(sentence.id, quotation, known, read or repeats or "none yet"))
    return "\n".join(rows)


def row(*cells: object) -> str:
    """One row of a Markdown table; vertical bars in cells are escaped."""
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def claims_table() -> str:
    """Markdown table of all claims with their verdicts."""
    return "\n".join(
        ["| id | source | claim | verdict |", "|---|---|---|---|", *map(_claim, _claims())]
    )


def _claims() -> list[Claim]:
    entries = list(catalogue().values())
    for entry in entries:
        if isinstance(entry, LoadError):
            raise ValueError(entry.error)
    return [entry for entry in entries if isinstance(entry, Claim)]


def _claim(claim: Claim) -> str:
    sources = "; ".join(str(source) for source in claim.sources)
    return row(f"`{claim.id}`", sources, claim.title, claim.expected)


COLUMNS: Final = (
    "normaliser",
    "one group is",
    "null directions",
    "S Dn is a projector",
    "longest |S Dn|",
    "Theorem 4.1",
    "Theorem 4.2",
)


def normalizers_table() -> str:
    """Markdown table of all normalisers, with some of the report's columns."""
    rows = [[facts(kind)[name] for name in COLUMNS] for kind in NORMALIZERS]
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return "\n".join(row(*line) for line in lines)


def findings(evidence: Mapping[str, Any]) -> str:
    """Findings of a run on random matrices, as Markdown."""
    settings, environment = evidence["settings"], evidence["environment"]
    blocks = [
        f"`{evidence['command']}`, scale {settings['scale']}, seed {settings['seed']}, on "
        f"{environment['device']} ({environment['platform']}, {environment['threads']} threads), "
        f"PyTorch {environment['torch']}, {evidence['created'][:10]}."
    ]
    blocks += [
        f"`{record['id']}`, {record['verdict']}. {item['summary']}"
        for record in evidence["claims"]
        for item in record["evidence"]
        if item["kind"] == Kind.SPECTRA
    ]
    return "\n\n".join(blocks)


def experiments_table() -> str:
    """Markdown table of the published experiments, each at its largest scale."""
    rows = [
        "| experiment | verdict | setting | scale, seeds, batch | date |",
        "|---|---|---|---|---|",
    ]
    for claim in experiments():
        evidence = published.evidence(claim)
        if evidence is not None:
            about = evidence.provenance
            size = f"{about['scale']}, {len(about['seeds'])} seeds, batches of {about['batch']}"
            setting = (evidence.setting, size, about["measured"])
            rows.append(row(f"`{claim.id}`", decide([evidence]), *setting))
    return "\n".join(rows)


def results() -> str:
    """RESULTS.md: all published experiments, with their criteria and the source's numbers."""
    blocks = [
        "# Results of the experiments",
        "Generated by `make readme` from the measurements in `src/bnproof/results/published`, from "
        "which the verdicts are computed. Values are medians over seeds, with an exact confidence "
        "interval in parentheses; a criterion is decided if the whole interval is on one side of "
        "what is required, and a verdict is *undecided* if too few are. Each end of an interval is "
        f"on its side of the median with the stated confidence, {confidence(3):.1%} with three "
        f"seeds and {confidence(5):.1%} with five. The columns of the controls show the same "
        "quantity with a control in place of the network from which it was made: a positive "
        "control must satisfy the criteria as a whole, a negative one must not.",
    ]
    for claim in experiments():
        evidence = published.evidence(claim)
        if evidence is not None:
            blocks.append(_result(claim, evidence))
    return "\n\n".join(blocks) + "\n"


def _result(claim: Claim, evidence: Evidence) -> str:
    """One experiment: settings, criteria and, if the source prints numbers, a comparison."""
    about, columns = evidence.provenance, published.criteria_columns(evidence)
    rows = [
        f"## {claim.id}",
        "",
        f"{claim.title} ({'; '.join(map(str, claim.sources))})",
        "",
        f"**{decide([evidence])}**: {evidence.setting} (scale {about['scale']}). "
        f"`{about['command']}`, "
        f"{about['data set']}, {len(about['seeds'])} seeds (confidence "
        f"{about[CONFIDENCE]:.1%}), {published.machine(evidence)}, "
        f"{about['measured']}{_mark(evidence)}, commit {about['commit']}. "
        f"{published.controls_in_words(evidence)}.",
        "",
        row(*columns),
        "|" + "---|" * len(columns),
        *(row(*cells) for cells in published.criteria_rows(evidence)),
    ]
    printed = [row(*cells) for cells in published.printed_rows(evidence)]
    if printed:
        rows += ["", "| quantity | printed in the source | measured |", "|---|---|---|", *printed]
    return "\n".join([*rows, "", claim.remark])


def _mark(evidence: Evidence) -> str:
    """What is said of measurements that are older than the protocol they are judged by."""
    return f" ({published.EARLIER})" if published.EARLIER in evidence.summary else ""


def replace(text: str, name: str, content: str) -> str:
    """Replace the text between the markers ``<!-- name -->`` and ``<!-- /name -->``.

    Raises
    ------
    ValueError
        If the markers are missing.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, opened, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"README has no block between {start} and {end}")
    return f"{before}{start}\n{content}\n{end}{after}"


# Name of each generated block and the function that returns it; the block "findings" needs a run.
TABLES: Final = {
    "tally": tally,
    "sentences": sentences_table,
    "claims": claims_table,
    "normalizers": normalizers_table,
    "experiments": experiments_table,
}
RESULTS: Final = "RESULTS.md"


def main(readme: Path, evidence: Path | None = None) -> None:
    """Rewrite the generated blocks of `readme`, and RESULTS.md in the same folder."""
    text = readme.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        text = replace(text, name, table())
    if evidence is not None:
        text = replace(text, "findings", findings(load(evidence)))
    write_text(readme, text)
    write_text(readme.with_name(RESULTS), results())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
