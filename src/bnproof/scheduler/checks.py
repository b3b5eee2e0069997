"""The jobs of `bnproof verify`: claims and the table of layers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bnproof.simulate
from bnproof import verification
from bnproof.catalogue import load_claim, module_of
from bnproof.empirical.training.run_folder import RunFolder
from bnproof.report import document
from bnproof.results import record_files
from bnproof.scheduler.folder import FolderJob
from bnproof.scheduler.job import Job
from bnproof.theory.claim import Disproof, Proof, RandomTest, Settings, SpectrumTest
from bnproof.theory.common.checksum import digest
from bnproof.theory.common.code import code_hash
from bnproof.theory.ledger import book

if TYPE_CHECKING:
    from bnproof.scheduler.jobs import Seed

Record = dict[str, Any]

# Estimated seconds on one core at scale quick; they only affect the order of the first run.
COSTS: Final[Mapping[type, float]] = {SpectrumTest: 6.0, RandomTest: 3.0, Proof: 2.0, Disproof: 2.0}
LAYERS: Final = "table of layers"


@dataclass(frozen=True)
class Check(FolderJob):
    """Verification of one claim; the result is its record and figure.

    Attributes
    ----------
    id, settings
        The claim and the settings of the verification.
    root
        Folder of all jobs.
    threads
        Number of threads.
    user_claims
        Folder of user-defined claims.
    seconds
        Time it took before, including its seeds, if known.
    """

    id: str
    settings: Settings
    root: Path
    threads: int = 1
    user_claims: Path | None = None
    seconds: float | None = None

    @property
    def name(self) -> str:
        """Id of the claim."""
        return self.id

    @cached_property
    def seeds(self) -> "Sequence[Seed]":
        """Jobs for the seeds of its experiment, if that is to be run."""
        if not verification.measures(load_claim(self.id, self.user_claims)):
            return ()
        from bnproof.scheduler.jobs import seeds

        return seeds(
            *(self.id, self.settings, self.root),
            user_claims=self.user_claims,
            seconds=self.seconds,
        )

    @cached_property
    def cost(self) -> float:
        """Time it took before, or an estimate; excludes its seeds, which are separate jobs."""
        checks = load_claim(self.id, self.user_claims).checks
        estimate = sum(COSTS.get(type(check), 0.5) for check in checks)
        return estimate if self.seconds is None or self.seeds else self.seconds

    @property
    def needs(self) -> Sequence[Job]:
        """Its seeds; the job itself only evaluates them."""
        return self.seeds

    @cached_property
    def run(self) -> RunFolder:
        """The run folder, named by a hash of everything that the record depends on."""
        settings = self.settings
        return RunFolder(
            self.root,
            {
                "claim": self.id,
                "code": [_code_of_checks(), _code_of_claim(self.id, self.user_claims)],
                "scale": settings.scale.value,
                "seed": settings.seed,
                "memory": settings.memory,
                "kernel": settings.kernel,
                "seeds": [seed.key for seed in self.seeds],
                "published": _published(self.id),
                "ledger": verification.in_the_ledger(self.id),
                "places": list(map(str, book.places(self.id))),
                **_environment(settings.device, self.threads),
            },
        )

    @property
    def figure(self) -> Path | None:
        """Path of the figure, if there is one."""
        file = self.record()["figure"]
        return self.run.folder / file["file"] if file else None

    def record(self) -> Record:
        """Return the record of a finished job."""
        record = self.run.result()
        assert record is not None
        return record

    def done(self) -> bool:
        """Whether the folder contains a record without an error and its figure."""
        record = self.run.result()
        if record is None or record["error"]:
            return False
        return record["figure"] is None or (self.run.folder / record["figure"]["file"]).exists()

    def carry_out(self) -> None:
        """Verify the claim."""
        with self.run.held(wait=-1):
            record = verification.verify(
                load_claim(self.id, self.user_claims), self.settings, self.run.folder, self.root
            )
            results = (seed.run.result() for seed in self.seeds)
            record["seconds"] += sum(result["seconds"] for result in results if result)
            record["seconds"] = round(record["seconds"], 3)
            self.run.finish(record)


@dataclass(frozen=True)
class Layers(FolderJob):
    """The table of `bnproof.simulate.layer_checks.table`."""

    root: Path
    device: str
    threads: int = 1
    cost: float = 5.0

    @property
    def name(self) -> str:
        """Name of the job."""
        return LAYERS

    @cached_property
    def run(self) -> RunFolder:
        """The run folder, named by a hash of everything that the table depends on."""
        code = code_hash("bnproof.simulate.layer_checks.table", within="bnproof")
        return RunFolder(
            self.root, {"table": LAYERS, "code": code, **_environment(self.device, self.threads)}
        )

    def rows(self) -> list[dict[str, str]]:
        """Return the rows of the table, one per layer."""
        result = self.run.result()
        assert result is not None
        rows: list[dict[str, str]] = result["rows"]
        return rows

    def carry_out(self) -> None:
        """Check the layers."""
        from bnproof.simulate.layer_checks import table

        with self.run.held(wait=-1):
            self.run.finish({"rows": table.table(self.device)})


@cache
def _code_of_checks() -> str:
    """Return the hash of all code that a verification may run, except the claim's own.

    All of `bnproof.simulate` is included, because samplers, studies and search spaces are imported
    by name.
    """
    return code_hash("bnproof.verification", *_modules_of_simulate(), within="bnproof")


def _modules_of_simulate() -> Iterator[str]:
    root = Path(bnproof.simulate.__path__[0])
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if path.stem == "__init__":
            parts = parts[:-1]
        yield ".".join(("bnproof", "simulate", *parts))


def _code_of_claim(claim_id: str, user_claims: Path | None) -> str:
    """Return the hash of a claim's module and its imports, or of a whole folder of user claims."""
    module = module_of(claim_id)
    if module is not None:
        return code_hash(module, within="bnproof")
    files = sorted(user_claims.glob("*.py")) if user_claims else []
    return digest(b"\0".join(path.read_bytes() for path in files))


def _published(claim_id: str) -> list[str]:
    """Return the hashes of the published measurements of a claim."""
    return [digest(path.read_bytes()) for path in record_files.files(claim_id)]


def _environment(device: str, threads: int) -> dict[str, Any]:
    """Return package versions and machine properties that affect results."""
    return {
        "environment": document.environment(device, threads),
        "lock": digest("\n".join(document.lock()).encode()),
    }
