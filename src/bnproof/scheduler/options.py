"""Options of every command that runs jobs, and the engine that they ask for."""

from dataclasses import dataclass
from typing import Final, Literal

from cyclopts import Parameter

from bnproof.scheduler import resources
from bnproof.scheduler.schedule import Engine
from bnproof.theory.common.errors import UserError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where jobs run, and how many at a time.

    Attributes
    ----------
    jobs
        Jobs at a time, a process each. Local: the number of cores, or as many as fit on the GPUs,
        if not given; 1 works in the calling process, where a debugger sees it. Ray: as many as
        there is room for.
    engine
        local: processes of this machine. ray: a Ray cluster, or a local instance of Ray.
    address
        Address of a Ray cluster; that of RAY_ADDRESS, else a local instance, if not given.
    gpus
        Numbers of the GPUs of this machine that are used, such as 0,2; all if not given.
    gpus_per_job
        GPUs of a job: a fraction, where several share one, or a whole number; 1 if not given.
    """

    jobs: int | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    gpus: str | None = None
    gpus_per_job: float | None = None

    def check(self) -> None:
        """Refuse what contradicts itself, before anything heavy is imported.

        Raises
        ------
        UserError
            Naming the option.
        """
        if self.jobs is not None and self.jobs < 1:
            raise UserError(f"--jobs {self.jobs}: must be at least 1")
        if self.engine == "local" and self.address is not None:
            raise UserError(f"--address {self.address}: is for --engine ray")
        if self.engine == "ray" and self.gpus is not None:
            raise UserError(f"--gpus {self.gpus}: is for --engine local; Ray shares its GPUs out")
        if self.gpus_per_job is not None:
            resources.check_share(self.gpus_per_job)

    def device(self, name: str) -> str:
        """The device of every job, ``cpu`` or ``cuda``, which need not be one of this machine.

        Raises
        ------
        UserError
            If there is no GPU for them.
        """
        if self.engine == "local":
            return resources.device(name)
        if name == "cuda" and self.gpus_per_job is None:
            raise UserError("--device cuda: with --engine ray, give --gpus-per-job as well")
        return "cuda" if self.gpus_per_job is not None and name != "cpu" else "cpu"

    def start(
        self, most: int, *, device: str, each: int, threads: int | None = None, share: float = 1.0
    ) -> Engine:
        """The engine that jobs are carried out by.

        Parameters
        ----------
        most
            Jobs that there can be at a time.
        device
            Of every job, ``cpu`` or ``cuda``.
        each
            Bytes of memory that a job may take.
        threads
            Of a job; None for the cores divided among the jobs, and 1 on Ray.
        share
            GPUs of a job, if the user says nothing.

        Raises
        ------
        UserError
            If memory, GPUs or the cluster do not hold what was asked for.
        """
        from bnproof.scheduler.local import Inline, Processes

        share = self.gpus_per_job or share
        if self.engine == "ray":
            from bnproof.scheduler.on_ray import Ray

            gpus = share if device == "cuda" else 0
            return Ray(self.address, jobs=self.jobs, threads=threads or 1, gpus=gpus)
        places: list[str] = []
        if device == "cuda":
            places = resources.slots(resources.gpus(self.gpus), share)
            most = min(most, len(places))
        elif self.gpus is not None:
            resources.gpus(self.gpus)
            raise UserError(f"--gpus {self.gpus}: the jobs use the CPU; leave it out")
        count = resources.processes(self.jobs, each, most)
        threads = threads or resources.threads(max(1, resources.cores() // count))
        if count == 1 and self.gpus is None:
            return Inline(threads)
        return Processes(threads, resources.environments(count, threads, places))


HERE: Final = Workers()
