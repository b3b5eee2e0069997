"""`bnproof verify`: claims in parallel, each kept as soon as it is done, and the report of them."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bnproof.commands.common import LEFT, alone, command_line
from bnproof.report import document, page
from bnproof.scheduler.checks import Check, Layers, Record
from bnproof.scheduler.drive import drive, pending
from bnproof.scheduler.job import Job, Outcome
from bnproof.scheduler.options import Workers
from bnproof.scheduler.resources import threads
from bnproof.simulate.memory import DEFAULT
from bnproof.theory.claim import Claim, Settings
from bnproof.theory.common import files
from bnproof.theory.common.errors import UserError
from bnproof.theory.loading import LoadError
from bnproof.verification import failed

STORE: Final = ".jobs"  # the folder within a report that keeps what is done
EACH: Final = 1 << 29  # bytes that a process takes beside the batches that --memory limits
GPUS: Final = 0.25  # of a job, unless the user says otherwise: its matrices are small


def verify(
    entries: Sequence[Claim | LoadError],
    settings: Settings,
    report: Path,
    workers: Workers,
    *,
    outside: Path | None = None,
    json: Path | None = None,
    fresh: bool = False,
    layers: bool = True,
) -> int:
    """Verify claims and write the report.

    Parameters
    ----------
    outside
        Folder of the claims that are the user's own.
    json
        Another file for the evidence.
    fresh
        Whether what was done before is done again.
    layers
        Whether the table of layers is made.

    Returns
    -------
    int
        Exit status: 1 if a verdict is not the expected one, `LEFT` if claims are left.
    """
    written = (report / document.NAME, *([json] if json else []))
    for path in written:
        files.probe(path)
    with alone(report):
        if fresh:
            shutil.rmtree(report / STORE, ignore_errors=True)
        work = _Work(entries, settings, report, outside, layers)
        work.carry_out(workers)
        content = work.document()
        if not content["claims"]:
            print("interrupted before a claim was verified")
            return LEFT
        for path in written:
            document.save(content, path)
        return _told(content, page.write(content, report))


def _told(content: Mapping[str, Any], path: Path) -> int:
    """Say how it went; returns the exit status."""
    records, left = content["claims"], content.get("left", ())
    wrong = sum(not record["as_expected"] for record in records)
    print(f"{len(records) - wrong} of {len(records)} verdicts as expected")
    if left:
        print(f"interrupted: {len(left)} claims are left; the same command goes on with them")
    print(path.resolve())
    return LEFT if left else 1 if wrong else 0


class _Work:
    """One call: its jobs, and the records that they have made so far."""

    def __init__(
        self,
        entries: Sequence[Claim | LoadError],
        settings: Settings,
        report: Path,
        outside: Path | None,
        layers: bool,
    ) -> None:
        self._settings, self._report = settings, report
        self._entries = {entry.id: entry for entry in entries}
        self._records: dict[str, Record] = {}
        self._threads = threads(1)
        store = report.resolve() / STORE
        self._layers = Layers(store, settings.device, self._threads) if layers else None
        self._rows: list[dict[str, str]] = []
        before = _seconds(report)
        self._checks = [
            Check(entry.id, settings, store, self._threads, outside, before.get(entry.id))
            for entry in entries
            if isinstance(entry, Claim)
        ]

    def carry_out(self, workers: Workers) -> None:
        """Do what is not done, until it is interrupted."""
        kept = sum(check.done() for check in self._checks)
        if kept:
            print(
                f"{kept} of {len(self._entries)} claims are verified already; --fresh repeats them"
            )
        for entry in self._entries.values():
            if isinstance(entry, LoadError):
                print(self._line(failed(entry, entry.error)), flush=True)
        jobs: list[Job] = [*self._checks, *([self._layers] if self._layers else [])]
        engine = workers.start(
            len(pending(jobs)),
            device=self._settings.device,
            each=EACH + (self._settings.memory or DEFAULT),
            threads=self._threads,
            share=GPUS,
        )
        drive(jobs, engine, self._ended, unit="claims", total=len(self._entries))
        for check in self._checks:  # what was done as the interrupt came
            if check.id not in self._records and check.done():
                self._ended(check, Outcome("kept"))

    def document(self) -> dict[str, Any]:
        """The evidence: records in the order of the claims, and what is left."""
        records = [self._records[name] for name in self._entries if name in self._records]
        left = [name for name in self._entries if name not in self._records]
        return document.document(
            records, self._settings, command_line(), self._threads, self._rows, left
        )

    def _ended(self, job: Job, outcome: Outcome) -> str | None:
        """Take a job's result; the line that says so, if it is a claim's."""
        good = outcome.status in ("done", "kept")
        if isinstance(job, Layers) and good:
            self._rows = job.rows()
        if not isinstance(job, Check) or outcome.status == "unfinished":
            return None
        if not good:
            return self._line(failed(self._entries[job.id], outcome.note))
        if job.figure is not None:
            files.write_bytes(
                self._report / document.PICTURES / job.figure.name, job.figure.read_bytes()
            )
        return self._line(job.record())

    def _line(self, record: Record) -> str:
        """Keep a record; what is said of it."""
        self._records[record["id"]] = record
        outcome = record["verdict"] if record["as_expected"] else f"{record['verdict']} (!)"
        note = record["error"] or f"{record['seconds']:.1f} s"
        if not record["as_expected"] and not record["error"]:
            note += f"  expected {record['expected']}"
        said = [f"given {theorem}" for theorem in record["given"]]
        said += [record["why"]] if record["why"] else []
        width = max(map(len, self._entries))
        return "\n    ".join([f"{record['id']:{width}}  {outcome:18}  {note}", *said])


def _seconds(report: Path) -> dict[str, float]:
    """What each claim took when the report was made last: the longest are to begin first."""
    try:
        content = document.load(report / document.NAME)
        return {record["id"]: float(record["seconds"]) for record in content["claims"]}
    except (UserError, KeyError, TypeError, ValueError):
        return {}
