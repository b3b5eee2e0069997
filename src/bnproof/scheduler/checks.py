"""The jobs of `bnproof verify`: a claim, and the table of layers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bnproof.simulate
from bnproof import verification
from bnproof.catalogue import module_of, one
from bnproof.empirical.training.run_folder import RunFolder
from bnproof.report import document
from bnproof.results import record_files
from bnproof.scheduler.folder import InFolder
from bnproof.scheduler.job import Job
from bnproof.theory.claim import Disproof, Proof, RandomTest, Settings, SpectrumTest
from bnproof.theory.common.checksum import digest
from bnproof.theory.common.code import code_hash

if TYPE_CHECKING:
    from bnproof.scheduler.jobs import Seed

Record = dict[str, Any]

# Seconds on one core at the scale quick, by checks: only guesses, which order the first run.
COSTS: Final[Mapping[type, float]] = {SpectrumTest: 6.0, RandomTest: 3.0, Proof: 2.0, Disproof: 2.0}
LAYERS: Final = "table of layers"


@dataclass(frozen=True)
class Check(InFolder):
    """One claim: its evidence and verdict, as a record, and its figure.

    Attributes
    ----------
    id, settings
        What is verified, and how.
    root
        Folder of all jobs.
    threads
        That it is computed with.
    outside
        Folder of claims that are the user's own.
    seconds
        That it took before, its seeds included, if it did.
    """

    id: str
    settings: Settings
    root: Path
    threads: int = 1
    outside: Path | None = None
    seconds: float | None = None

    @property
    def name(self) -> str:
        """The claim's id."""
        return self.id

    @cached_property
    def seeds(self) -> "Sequence[Seed]":
        """The seeds of its experiment, if that is measured."""
        if not verification.measures(one(self.id, self.outside)):
            return ()
        from bnproof.scheduler.jobs import seeds

        return seeds(self.id, self.settings, self.root, outside=self.outside, seconds=self.seconds)

    @cached_property
    def cost(self) -> float:
        """What it took before, or a guess by its means; its seeds have costs of their own."""
        means = one(self.id, self.outside).checks
        guess = sum(COSTS.get(type(spec), 0.5) for spec in means)
        return guess if self.seconds is None or self.seeds else self.seconds

    @property
    def needs(self) -> Sequence[Job]:
        """Its seeds: what is left is to judge them."""
        return self.seeds

    @cached_property
    def run(self) -> RunFolder:
        """A folder named by all that the record depends on."""
        settings = self.settings
        return RunFolder(
            self.root,
            {
                "claim": self.id,
                "code": [_code_of_checks(), _code_of_claim(self.id, self.outside)],
                "scale": settings.scale.value,
                "seed": settings.seed,
                "memory": settings.memory,
                "kernel": settings.kernel,
                "seeds": [seed.key for seed in self.seeds],
                "published": _published(self.id),
                **_surroundings(settings.device, self.threads),
            },
        )

    @property
    def figure(self) -> Path | None:
        """The figure, if there is one."""
        file = self.record()["figure"]
        return self.run.folder / file["file"] if file else None

    def record(self) -> Record:
        """What was found."""
        found = self.run.result()
        assert found is not None
        return found

    def done(self) -> bool:
        """Whether there is a record without an error, and its figure."""
        found = self.run.result()
        if found is None or found["error"]:
            return False
        return found["figure"] is None or (self.run.folder / found["figure"]["file"]).exists()

    def carry_out(self) -> None:
        """Verify the claim."""
        with self.run.held(wait=-1):
            record = verification.verify(
                one(self.id, self.outside), self.settings, self.run.folder, self.root
            )
            measured = (seed.run.result() for seed in self.seeds)
            record["seconds"] += sum(found["seconds"] for found in measured if found)
            record["seconds"] = round(record["seconds"], 3)
            self.run.finish(record)


@dataclass(frozen=True)
class Layers(InFolder):
    """The table of `bnproof.simulate.layer_checks.table`."""

    root: Path
    device: str
    threads: int = 1
    cost: float = 5.0

    @property
    def name(self) -> str:
        """What it makes."""
        return LAYERS

    @cached_property
    def run(self) -> RunFolder:
        """A folder named by all that the table depends on."""
        code = code_hash("bnproof.simulate.layer_checks.table", within="bnproof")
        return RunFolder(
            self.root, {"table": LAYERS, "code": code, **_surroundings(self.device, self.threads)}
        )

    def rows(self) -> list[dict[str, str]]:
        """A row a layer."""
        found = self.run.result()
        assert found is not None
        rows: list[dict[str, str]] = found["rows"]
        return rows

    def carry_out(self) -> None:
        """Check the layers."""
        from bnproof.simulate.layer_checks import table

        with self.run.held(wait=-1):
            self.run.finish({"rows": table.table(self.device)})


@cache
def _code_of_checks() -> str:
    """Hash of all code that a verification may run, the claim's own apart.

    Samplers, studies and search spaces are named in tables and imported when they are asked for:
    all of `bnproof.simulate` counts.
    """
    return code_hash("bnproof.verification", *_modules_of_simulate(), within="bnproof")


def _modules_of_simulate() -> Iterator[str]:
    root = Path(bnproof.simulate.__path__[0])
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if path.stem == "__init__":
            parts = parts[:-1]
        yield ".".join(("bnproof", "simulate", *parts))


def _code_of_claim(claim_id: str, outside: Path | None) -> str:
    """Hash of a claim's module and what it imports; of a whole folder if it is the user's own."""
    module = module_of(claim_id)
    if module is not None:
        return code_hash(module, within="bnproof")
    files = sorted(outside.glob("*.py")) if outside else []
    return digest(b"\0".join(path.read_bytes() for path in files))


def _published(claim_id: str) -> list[str]:
    """Hashes of the published measurements of a claim."""
    return [digest(path.read_bytes()) for path in record_files.files(claim_id)]


def _surroundings(device: str, threads: int) -> dict[str, Any]:
    """What is installed and what computes."""
    return {
        "environment": document.environment(device, threads),
        "lock": digest("\n".join(document.lock()).encode()),
    }
