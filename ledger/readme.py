"""The generated parts of README.md: the table of claims, and the numbers of one run.

``python -m ledger.readme README.md`` writes the table; with the evidence of a run as second
argument it writes that run's findings too.  A test holds the table against the catalogue.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ledger.catalogue import catalogue
from ledger.document import load, write_text
from theory.catalogue import Broken
from theory.claim import Claim


def claims_table() -> str:
    """Markdown table of all claims with their verdicts."""
    rows = [
        "| id | source | statement | verdict |",
        "|---|---|---|---|",
    ]
    for entry in catalogue().values():
        if isinstance(entry, Broken):
            raise ValueError(entry.error)
        rows.append(_row(entry))
    return "\n".join(rows)


def _row(claim: Claim) -> str:
    sources = "; ".join(str(source) for source in claim.sources)
    return f"| `{claim.id}` | {sources} | {claim.title} | {claim.expected} |"


def findings(evidence: Mapping[str, Any]) -> str:
    """Markdown list of what each simulation and experiment of a run found."""
    settings, environment = evidence["settings"], evidence["environment"]
    lines = [
        f"`{evidence['command']}`, scale {settings['scale']}, seed {settings['seed']}, "
        f"on {environment['device']} ({environment['platform']}, {environment['threads']} "
        f"threads), PyTorch {environment['torch']}, {evidence['created'][:10]}:",
        "",
    ]
    for record in evidence["claims"]:
        for item in record["evidence"]:
            if item["kind"] in ("experiment", "random matrices"):
                data = item["provenance"].get("data set")
                where = f" ({data})" if data else ""
                lines.append(f"- `{record['id']}`{where}: {item['summary']}")
    return "\n".join(lines)


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


def main(readme: Path, evidence: Path | None = None) -> None:
    """Rewrite the generated blocks of `readme`."""
    text = replace(readme.read_text(encoding="utf-8"), "claims", claims_table())
    if evidence is not None:
        text = replace(text, "findings", findings(load(evidence)))
    write_text(readme, text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
