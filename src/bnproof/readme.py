"""The generated parts of README.md, and RESULTS.md beside it: tables of claims and experiments.

``python -m bnproof.readme README.md`` writes the tables; with the evidence of a run as second
argument it writes what that run found of random matrices too.  A test holds the tables against the
code and the published measurements.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bnproof.catalogue import catalogue, experiments
from bnproof.report.document import load
from bnproof.report.page import TRUTH, outcome
from bnproof.results import published
from bnproof.theory.claim import Claim, Evidence, Kind, decide
from bnproof.theory.common.files import write_text
from bnproof.theory.loading import LoadError
from bnproof.theory.normalizers.table import NORMALIZERS, facts
from bnproof.theory.sources import DOCUMENTS


def tally() -> str:
    """Markdown table of how many statements hold, by source; one of two sources counts for each."""
    claims = _claims()
    rows = [row("source", *TRUTH.values()), "|---|---|---|---|"]
    for key, d in DOCUMENTS.items():
        found = [claim for claim in claims if key in {source.document for source in claim.sources}]
        rows.append(row(f"{key}: {d.authors}, *{d.title}*, {d.year}", *_counts(found)))
    return "\n".join([*rows, row(f"all {len(claims)} statements", *_counts(claims))])


def _counts(claims: Sequence[Claim]) -> list[int]:
    counts = Counter(outcome(claim.expected) for claim in claims)
    return [counts[key] for key in TRUTH]


def row(*cells: object) -> str:
    """One row of a Markdown table; a bar in a cell is a letter."""
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def claims_table() -> str:
    """Markdown table of all claims with their verdicts."""
    return "\n".join(
        ["| id | source | statement | verdict |", "|---|---|---|---|", *map(_claim, _claims())]
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
    """Markdown table of all normalisers; the report has the remaining columns."""
    rows = [[facts(kind)[name] for name in COLUMNS] for kind in NORMALIZERS]
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return "\n".join(row(*line) for line in lines)


def findings(evidence: Mapping[str, Any]) -> str:
    """Markdown of what the random matrices of a run showed."""
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
    """Markdown table of the published experiments, the largest scale of each."""
    rows = ["| experiment | verdict | scale | data, seeds, size | date |", "|---|---|---|---|---|"]
    for claim in experiments():
        found = published.evidence(claim)
        if found is not None:
            about = found.provenance
            where = found.summary.split(" (measured")[0].removeprefix("On ")
            rows.append(
                row(f"`{claim.id}`", decide([found]), about["scale"], where, about["measured"])
            )
    return "\n".join(rows)


def results() -> str:
    """RESULTS.md: every published experiment with its criteria and the source's numbers."""
    blocks = [
        "# Results of the experiments",
        "Written by `make readme` from `src/bnproof/published`; the verdicts are computed from the "
        "measurements there. *Control* is what the same criterion gives with the control in the "
        "place of the network that it was made of; it must get the opposite answer as a whole. "
        "Medians over seeds.",
    ]
    for claim in experiments():
        found = published.evidence(claim)
        if found is not None:
            blocks.append(_result(claim, found))
    return "\n\n".join(blocks) + "\n"


def _result(claim: Claim, found: Evidence) -> str:
    """One experiment: how it was measured, criteria, printed numbers where there are any."""
    about = found.provenance
    rows = [
        f"## {claim.id}",
        "",
        f"{claim.title} ({'; '.join(map(str, claim.sources))})",
        "",
        f"**{decide([found])}** at scale {about['scale']}. `{about['command']}`, "
        f"{about['data set']}, {len(about['seeds'])} seeds, {about['device']}, "
        f"{about['threads']} threads, PyTorch {about['torch']}, {about['seconds']:.0f} s, "
        f"{about['measured']}, commit {about['commit']}. Control: {about['control']}.",
        "",
        "| measured | asked | found | seeds | control |",
        "|---|---|---|---|---|",
        *(row(*cells) for cells in published.criteria_rows(found)),
    ]
    printed = [row(*cells) for cells in published.printed_rows(found)]
    if printed:
        rows += ["", "| beside the source | printed | found |", "|---|---|---|", *printed]
    return "\n".join([*rows, "", claim.remark])


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
TABLES: Final = {
    "tally": tally,
    "claims": claims_table,
    "normalizers": normalizers_table,
    "experiments": experiments_table,
}
RESULTS: Final = "RESULTS.md"


def main(readme: Path, evidence: Path | None = None) -> None:
    """Rewrite the generated blocks of `readme`, and the results beside it."""
    text = readme.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        text = replace(text, name, table())
    if evidence is not None:
        text = replace(text, "findings", findings(load(evidence)))
    write_text(readme, text)
    write_text(readme.with_name(RESULTS), results())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
