"""Packs: training runs that differ only in their seed, carried out as one job."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from bnproof.empirical.training.together import LARGEST, train_together, why_alone
from bnproof.scheduler.job import Job
from bnproof.scheduler.jobs import Seed, Training
from bnproof.theory.common.checksum import canonical, digest


@dataclass(frozen=True)
class Pack:
    """Several training runs.

    Attributes
    ----------
    members
        Jobs that differ only in the seed of their configuration.
    """

    members: tuple[Training, ...]

    @cached_property
    def key(self) -> str:
        """Hash of the keys of all runs."""
        return digest(" ".join(sorted(member.key for member in self.members)).encode())

    @property
    def name(self) -> str:
        """Network, rate and number of seeds."""
        words = self.members[0].name.rpartition(", seed ")[0]
        return f"{words}, {len(self.members)} seeds"

    @property
    def cost(self) -> float:
        """That of one run, which they are meant to take little longer than."""
        return self.members[0].cost

    @property
    def needs(self) -> Sequence[Job]:
        """No jobs."""
        return ()

    def done(self) -> bool:
        """Whether all runs have results."""
        return all(member.done() for member in self.members)

    def carry_out(self) -> None:
        """Train all networks at once.

        Raises
        ------
        UserError
            If the code or the machine differs from that of the process that planned the job.
        """
        for member in self.members:
            member.reject_other_key()
        first = self.members[0]
        train_together(
            [member.training_config for member in self.members],
            first.read(),
            root=first.root,
            device=first.device,
            wait=-1,
        )


def packed(jobs: Sequence[Training | Seed]) -> list[Training | Seed]:
    """The same jobs; runs that can be trained together need a pack that does so."""
    packs = _packs([job for job in jobs if isinstance(job, Training) and not job.done()])
    return [
        replace(job, pack=packs[job.key]) if isinstance(job, Training) and job.key in packs else job
        for job in jobs
    ]


def packed_seeds(seeds: Sequence[Seed]) -> list[Seed]:
    """The same seeds of an experiment; they need packs of the runs that they ask for first."""
    asked = {
        seed.key: seed.trainings()
        for seed in seeds
        if seed.settings.mode == "fast" and seed.settings.device != "cpu" and not seed.done()
    }
    packs = _packs([run for runs in asked.values() for run in runs])
    return [
        replace(
            seed,
            packs=tuple(
                {
                    packs[run.key].key: packs[run.key]
                    for run in asked.get(seed.key, ())
                    if run.key in packs
                }.values()
            ),
        )
        for seed in seeds
    ]


def _packs(jobs: Sequence[Training]) -> dict[str, Pack]:
    """Return the packs by the keys of their members.

    A pack consists of up to `LARGEST` runs in mode ``"fast"`` on a GPU, of narrow networks that
    differ only in their seed (`bnproof.empirical.training.together.why_alone`).
    """
    alike: dict[str, dict[str, Training]] = defaultdict(dict)
    for job in jobs:
        if job.training_config.mode == "fast" and job.device != "cpu":
            alike[_but_for_seed(job)][job.key] = job
    packs: dict[str, Pack] = {}
    for group in alike.values():
        runs = list(group.values())
        for start in range(0, len(runs), LARGEST):
            members = tuple(runs[start : start + LARGEST])
            first = members[0]
            if len(members) > 1 and not why_alone(first.training_config, first.read()):
                packs |= dict.fromkeys((member.key for member in members), Pack(members))
    return packs


def _but_for_seed(job: Training) -> str:
    """What jobs in a pack have in common."""
    config = asdict(job.training_config) | {"seed": None}
    return canonical([config, job.data, job.images, str(job.root), job.device])
