"""Command-line options for running jobs, and the engine they select."""

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
        Maximum number of jobs at a time, each in its own process. By default the number of cores
        or, on GPUs, as many as fit; with Ray, no limit. 1 runs jobs in the calling process, which
        allows debugging.
    engine
        local uses processes on this machine, ray a Ray cluster or a local Ray instance.
    address
        Address of a Ray cluster. By default RAY_ADDRESS if set, otherwise a local instance.
    gpus
        Numbers of the GPUs to use on this machine, such as 0,2; all by default.
    gpus_per_job
        GPUs per job: a whole number, or a fraction to share a GPU between jobs; 1 by default.
    """

    jobs: int | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    gpus: str | None = None
    gpus_per_job: float | None = None

    def check(self) -> None:
        """Validate the options, before anything heavy is imported.

        Raises
        ------
        UserError
            If an option is out of range or conflicts with another.
        """
        if self.jobs is not None and self.jobs < 1:
            raise UserError(f"--jobs {self.jobs}: must be at least 1")
        if self.engine == "local" and self.address is not None:
            raise UserError(f"--address {self.address}: needs --engine ray")
        if self.engine == "ray" and self.gpus is not None:
            raise UserError(f"--gpus {self.gpus}: needs --engine local; Ray assigns GPUs itself")
        if self.gpus_per_job is not None:
            resources.check_share(self.gpus_per_job)

    def device(self, name: str) -> str:
        """Return the device of the jobs, ``cpu`` or ``cuda``, possibly on other machines.

        Raises
        ------
        UserError
            If a GPU is requested but not available.
        """
        if self.engine == "local":
            return resources.device(name)
        if name == "cuda" and self.gpus_per_job is None:
            raise UserError("--device cuda: --engine ray needs --gpus-per-job as well")
        if self.gpus_per_job is None or name == "cpu":
            return "cpu"
        if resources.device("auto") == "cpu":  # the folder of a run is named by its GPU as well
            raise UserError(
                f"--gpus-per-job {self.gpus_per_job:g}: PyTorch finds no GPU here; start the "
                "command on a machine with the same kind of GPU as the others"
            )
        return "cuda"

    def start(
        self, limit: int, device: str, *, memory: int, threads: int | None = None, share: float = 1
    ) -> Engine:
        """Start the engine that runs the jobs.

        Parameters
        ----------
        limit
            Maximum number of jobs that can run at a time.
        device
            Device of the jobs, ``cpu`` or ``cuda``.
        memory
            Memory needed per job, in bytes.
        threads
            Threads per job.  By default the cores are divided among the jobs; on Ray, 1.
        share
            Default number of GPUs per job.

        Raises
        ------
        UserError
            If memory, GPUs or the cluster do not suffice.
        """
        from bnproof.scheduler.local import Inline, Processes

        share = self.gpus_per_job or share
        if self.engine == "ray":
            from bnproof.scheduler.on_ray import Ray

            gpus = share if device == "cuda" else 0
            return Ray(self.address, jobs=self.jobs, threads=threads or 1, gpus=gpus)
        slots: list[str] = []
        if device == "cuda":
            slots = resources.slots(resources.gpus(self.gpus), share)
            limit = min(limit, len(slots))
        elif self.gpus is not None:
            resources.gpus(self.gpus)
            raise UserError(f"--gpus {self.gpus}: the jobs run on the CPU; remove the option")
        elif self.gpus_per_job is not None:
            raise UserError(
                f"--gpus-per-job {self.gpus_per_job:g}: the jobs run on the CPU; remove the option"
            )
        count = resources.processes(self.jobs, memory, limit)
        threads = threads or resources.threads(max(1, resources.cores() // count))
        if count == 1 and self.gpus is None:
            return Inline(threads)
        return Processes(threads, resources.environments(count, threads, slots))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Trainers(Workers):
    """Workers for training.

    Attributes
    ----------
    threads
        Threads per job. By default the cores are divided among the jobs; with Ray, 1.
    """

    threads: int | None = None

    def check(self) -> None:
        """Validate the options; see `Workers.check`."""
        super().check()
        if self.threads is not None and self.threads < 1:
            raise UserError(f"--threads {self.threads}: must be at least 1")


DEFAULT_WORKERS: Final = Workers()
DEFAULT_TRAINERS: Final = Trainers()
