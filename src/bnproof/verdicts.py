"""What `bnproof.verify` returns: a `Result` for each claim, printed in a few lines."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from bnproof.theory.claim import Evidence, Kind, Verdict
from bnproof.theory.ledger.verdict import agrees

# Fields of evidence that are in its record as they are.
EVIDENCE: Final = (
    *("holds", "control_differs", "summary", "numbers", "provenance"),
    *("reason", "setting", "miniature", "seen"),
)
WIDTH: Final = 88  # columns of a printed result


@dataclass(frozen=True, repr=False)
class Result:
    """Result of verifying one claim.

    Attributes
    ----------
    id, title
        Id and title of the claim.
    verdict
        The verdict; None if the claim's code failed.
    expected
        The expected verdict; None if the claim's file could not be loaded.
    evidence
        The result of each check, in order.
    given
        Theorems from elsewhere on which the verdict rests.
    setting
        The setting of the experiment that decides, in words.
    why
        What keeps the evidence from a verdict, if the claim is undecided.
    error
        One line on why there is no verdict; None if there is one.
    seconds
        Time taken.
    """

    id: str
    title: str
    verdict: Verdict | None
    expected: Verdict | None
    evidence: tuple[Evidence, ...] = ()
    given: tuple[str, ...] = ()
    setting: str = ""
    why: str = ""
    error: str | None = None
    seconds: float = 0.0

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Create a result from a record of ``evidence.json``."""
        failed = record["error"] is not None
        return cls(
            id=record["id"],
            title=record["title"],
            verdict=None if failed else Verdict(record["verdict"]),
            expected=Verdict(record["expected"]) if record["expected"] else None,
            evidence=tuple(
                Evidence(
                    kind=Kind(item["kind"]),
                    **{name: value for name, value in item.items() if name in EVIDENCE},
                    given=tuple(item.get("given", ())),
                )
                for item in record["evidence"]
            ),
            given=tuple(record.get("given", ())),
            setting=record.get("setting") or "",
            why=record.get("why", ""),
            error=record["error"],
            seconds=record["seconds"],
        )

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is as expected."""
        return agrees(self.verdict, self.expected)

    def __repr__(self) -> str:
        if self.verdict is None:
            head = f"{self.id}: error: {self.error}"
        elif self.as_expected:
            head = f"{self.id}: {self.verdict}, as expected"
        else:
            head = f"{self.id}: {self.verdict}, but expected {self.expected}"
        notes = [f"  given {theorem}" for theorem in self.given]
        notes += [f"  setting: {self.setting}"] if self.setting else []
        notes += [f"  undecided: {self.why}"] if self.why else []
        lines = [
            textwrap.fill(
                f"{item.kind}: {item.summary}",
                WIDTH,
                initial_indent="  ",
                subsequent_indent="    ",
            )
            for item in self.evidence
        ]
        return "\n".join([head, *notes, *lines])


class Results(Mapping[str, Result]):
    """Results of `verify`, keyed by claim id, in the order requested."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = {result.id: result for result in results}

    def __getitem__(self, claim_id: str) -> Result:
        return self._results[claim_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    @property
    def as_expected(self) -> bool:
        """Whether all verdicts are as expected."""
        return all(result.as_expected for result in self.values())

    def __repr__(self) -> str:
        count = sum(result.as_expected for result in self.values())
        last = f"{count} of {len(self)} verdicts as expected"
        return "\n".join([*map(repr, self.values()), last])
