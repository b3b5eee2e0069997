"""The generated parts of README.md: tables of claims and normalisers, and the numbers of one run.

``python -m ledger.readme README.md`` writes the tables; with the evidence of a run as second
argument it writes that run's findings too.  A test holds the tables against the code.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ledger.catalogue import catalogue
from ledger.document import load
from theory.catalogue import Broken
from theory.claim import Claim, Kind
from theory.files import write_text
from theory.normalizers import NORMALIZERS, facts
from theory.sources import DOCUMENTS


def claims_table() -> str:
    """Markdown table of all claims with their verdicts, and the documents they come from."""
    rows = [
        "| id | source | statement | verdict |",
        "|---|---|---|---|",
    ]
    for entry in catalogue().values():
        if isinstance(entry, Broken):
            raise ValueError(entry.error)
        rows.append(_claim(entry))
    documents = [f"{key}: {d.authors}, *{d.title}*, {d.year}." for key, d in DOCUMENTS.items()]
    return "\n".join([*rows, "", *documents])


def _claim(claim: Claim) -> str:
    sources = "; ".join(str(source) for source in claim.sources)
    return f"| `{claim.id}` | {sources} | {claim.title} | {claim.expected} |"


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
    """Markdown table of all normalisers; the report has the remaining columns."""
    rows = [[facts(kind)[name] for name in COLUMNS] for kind in NORMALIZERS]
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def findings(evidence: Mapping[str, Any]) -> str:
    """Markdown of what the experiments and the random matrices of a run showed."""
    settings, environment = evidence["settings"], evidence["environment"]
    blocks = [
        f"`{evidence['command']}`, scale {settings['scale']}, seed {settings['seed']}, on "
        f"{environment['device']} ({environment['platform']}, {environment['threads']} threads), "
        f"PyTorch {environment['torch']}, {evidence['created'][:10]}."
    ]
    for record in evidence["claims"]:
        for item in record["evidence"]:
            if item["kind"] == Kind.EXPERIMENT:
                blocks.append(_experiment(record, item))
            elif item["kind"] == Kind.SPECTRA:
                blocks.append(f"`{record['id']}`, {record['verdict']}. {item['summary']}")
    return "\n\n".join(blocks)


def _experiment(record: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    """One table of criteria, and one of printed numbers where the source prints any."""
    where, numbers = item["provenance"], item["numbers"]
    rows = [
        f"`{record['id']}`, {record['verdict']} on {where['data set']}, batches of "
        f"{where['batch']}, median of {len(where['seeds'])} seeds:",
        "",
        "| measured | asked | found | control |",
        "|---|---|---|---|",
        *(
            f"| {row['words']} | {row['asked']} | {row['value']:.3g} | {row['control value']:.3g} |"
            for row in numbers["criteria"]
        ),
    ]
    printed = [
        f"| {name}, {net} | {_row(values)} | {_row(numbers['measured'][net][name]['median'])} |"
        for net, quantities in numbers["printed"].items()
        for name, values in quantities.items()
        if name in numbers["measured"].get(net, {})
    ]
    if printed:
        rows += ["", "| beside the source | printed | found |", "|---|---|---|", *printed]
    return "\n".join(rows)


def _row(values: Any) -> str:
    return ", ".join(f"{value:.3g}" for value in (values if isinstance(values, list) else [values]))


def replace(text: str, name: str, content: str) -> str:
    """Put `content` between the markers ``<!-- name -->`` and ``<!-- /name -->``.

    Raises
    ------
    ValueError
        If the markers are missing.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"README has no block between {start} and {end}")
    return f"{before}{start}\n{content}\n{end}{after}"


# What stands between which markers, apart from the findings of a run.
TABLES: Final = {"claims": claims_table, "normalizers": normalizers_table}


def main(readme: Path, evidence: Path | None = None) -> None:
    """Rewrite the generated blocks of `readme`."""
    text = readme.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        text = replace(text, name, table())
    if evidence is not None:
        text = replace(text, "findings", findings(load(evidence)))
    write_text(readme, text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
