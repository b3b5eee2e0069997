"""The command `bnproof verify`: verify claims in parallel and write the report."""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bnproof.commands.common import UNFINISHED, command_line, lock_report
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

STORE: Final = ".jobs"  # subfolder of a report for the results of jobs
OVERHEAD: Final = 1 << 29  # bytes per process in addition to the batches limited by --memory
GPUS: Final = 0.25  # default share of a GPU per job, whose matrices are small


def verify(
    entries: Sequence[Claim | LoadError],
    settings: Settings,
    report: Path,
    workers: Workers,
    *,
    user_claims: Path | None = None,
    json: Path | None = None,
    fresh: bool = False,
    layers: bool = True,
) -> int:
    """Verify claims and write the report.

    Parameters
    ----------
    user_claims
        Folder of user-defined claims.
    json
        Additional file for the evidence.
    fresh
        Whether to discard saved results.
    layers
        Whether the report includes the table of layers.

    Returns
    -------
    int
        Exit status: 1 if a verdict is unexpected, `UNFINISHED` if claims or the report are left.
    """
    written = (report / document.NAME, *([json] if json else []))
    for path in written:
        files.probe(path)
    with lock_report(report):
        if fresh:
            shutil.rmtree(report / STORE, ignore_errors=True)
        work = _Work(entries, settings, report, user_claims, layers)
        work.carry_out(workers)
        try:
            if work.done:
                content = work.document()
                for path in written:
                    document.save(content, path)
                return _summarize(content, page.write(content, report))
        except KeyboardInterrupt:
            pass  # the claims that are done are saved
        print(_interrupted(work.done, len(entries)))
        return UNFINISHED


def _summarize(content: Mapping[str, Any], path: Path) -> int:
    """Print a summary and return the exit status."""
    records, left = content["claims"], content.get("left", ())
    unexpected = sum(not record["as_expected"] for record in records)
    print(f"{len(records) - unexpected} of {len(records)} verdicts as expected")
    if left:
        print(_interrupted(len(records), len(records) + len(left)))
    print(path.resolve())
    return UNFINISHED if left else 1 if unexpected else 0


def _interrupted(count: int, total: int) -> str:
    return f"interrupted: {count} of {total} claims done; repeat the command to resume"


class _Work:
    """The jobs of one call, and the records of those that have finished."""

    def __init__(
        self,
        entries: Sequence[Claim | LoadError],
        settings: Settings,
        report: Path,
        user_claims: Path | None,
        layers: bool,
    ) -> None:
        self._settings, self._report = settings, report
        self._entries = {entry.id: entry for entry in entries}
        self._records: dict[str, Record] = {}
        self._threads = threads(1)
        store = report.resolve() / STORE
        self._layers = Layers(store, settings.device, self._threads) if layers else None
        self._rows: list[dict[str, str]] = []
        previous = _seconds(report)
        self._checks = [
            Check(entry.id, settings, store, self._threads, user_claims, previous.get(entry.id))
            for entry in entries
            if isinstance(entry, Claim)
        ]

    @property
    def done(self) -> int:
        """Number of claims that have a record."""
        return len(self._records)

    def carry_out(self, workers: Workers) -> None:
        """Run all unfinished jobs, unless interrupted."""
        # `drive` handles an interrupt itself; before it, keys are computed, which takes seconds.
        with contextlib.suppress(KeyboardInterrupt):
            self._run(workers)
        for check in self._checks:  # those that finished while the interrupt was handled
            if check.id not in self._records and check.done():
                self._ended(check, Outcome("kept"))

    def _run(self, workers: Workers) -> None:
        saved = sum(check.done() for check in self._checks)
        if saved:
            print(f"{saved} of {len(self._entries)} claims already verified; --fresh repeats them")
        for entry in self._entries.values():
            if isinstance(entry, LoadError):
                print(self._line(failed(entry, entry.error)), flush=True)
        jobs: list[Job] = [*self._checks, *([self._layers] if self._layers else [])]
        engine = workers.start(
            len(pending(jobs)),
            device=self._settings.device,
            memory=OVERHEAD + (self._settings.memory or DEFAULT),
            threads=self._threads,
            share=GPUS,
        )
        drive(jobs, engine, self._ended, unit="claims", total=len(self._entries))

    def document(self) -> dict[str, Any]:
        """Return the evidence document, with records in the order of the claims."""
        records = [self._records[name] for name in self._entries if name in self._records]
        left = [name for name in self._entries if name not in self._records]
        return document.document(
            records, self._settings, command_line(), self._threads, self._rows, left
        )

    def _ended(self, job: Job, outcome: Outcome) -> str | None:
        """Collect the result of a job; return a line to print if the job is a claim."""
        succeeded = outcome.status in ("done", "kept")
        if isinstance(job, Layers) and succeeded:
            self._rows = job.rows()
        if not isinstance(job, Check) or outcome.status == "unfinished":
            return None
        if not succeeded:
            return self._line(failed(self._entries[job.id], outcome.note))
        if job.figure is not None:
            files.write_bytes(
                self._report / document.FIGURE_FOLDER / job.figure.name, job.figure.read_bytes()
            )
        return self._line(job.record())

    def _line(self, record: Record) -> str:
        """Store a record and return the line to print for it."""
        self._records[record["id"]] = record
        outcome = record["verdict"] if record["as_expected"] else f"{record['verdict']} (!)"
        note = record["error"] or f"{record['seconds']:.1f} s"
        if not record["as_expected"] and not record["error"]:
            note += f"  expected {record['expected']}"
        details = [f"given {theorem}" for theorem in record["given"]]
        details += [record["why"]] if record["why"] else []
        width = max(map(len, self._entries))
        return "\n    ".join([f"{record['id']:{width}}  {outcome:18}  {note}", *details])


def _seconds(report: Path) -> dict[str, float]:
    """Return the time each claim took in the previous report, so that the longest start first."""
    try:
        content = document.load(report / document.NAME)
        return {record["id"]: float(record["seconds"]) for record in content["claims"]}
    except (UserError, KeyError, TypeError, ValueError):
        return {}
