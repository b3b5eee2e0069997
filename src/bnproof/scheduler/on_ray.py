"""Engine that runs jobs on a Ray cluster or a local Ray instance; needs the extra `ray`.

Each job is a Ray task.  Results must be written to a file system shared by all machines.
"""

import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from bnproof.scheduler.job import GRACE, Job, Outcome, captured
from bnproof.scheduler.resources import THREADS
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.interrupts import deferred

TIMEOUT: Final = 20.0  # seconds to wait for a cluster to respond


class Ray:
    """Runs jobs as Ray tasks.

    Parameters
    ----------
    address
        Address of a cluster; by default ``RAY_ADDRESS`` if set, otherwise a local instance.
    jobs
        Maximum number of jobs at a time; None for no limit.
    threads
        Number of cores and threads per job.
    gpus
        GPUs per job: 0, a fraction or a whole number.

    Raises
    ------
    UserError
        If Ray is missing, the cluster does not respond, or none of its machines has the cores and
        GPUs.
    """

    def __init__(self, address: str | None, *, jobs: int | None, threads: int, gpus: float) -> None:
        # Must be set before Ray is imported.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise UserError("--engine ray: needs Ray; run `pip install 'bnproof[ray]'`") from None
        self.threads = threads
        self._ray: Any = ray
        self._running: dict[Any, Job] = {}
        self._connect(address)
        try:
            _check(self._ray.nodes(), threads, gpus)
        except UserError:
            self._ray.shutdown()
            raise
        self._jobs = jobs
        # Retries are left to our scheduler, which counts them.  GPUs are given here rather than by
        # `options`, because only then does Ray end a process after its job: PyTorch keeps the GPU
        # and the memory that a process used first, also if Ray gives its next job another GPU.
        self._task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0)(captured)

    def room(self) -> bool:
        """Whether another job can be submitted; Ray queues jobs that cannot start yet."""
        return self._jobs is None or len(self._running) < self._jobs

    def start(self, job: Job, seconds: float) -> None:
        """Submit a job."""
        with deferred():
            self._running[self._task.remote(job, seconds)] = job

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """Wait until a job ends, for at most `seconds`; return the jobs that have ended."""
        ready, _ = self._ray.wait(list(self._running), timeout=seconds)
        return [(self._running.pop(task), self._outcome(task)) for task in ready]

    def close(self) -> None:
        """Interrupt running jobs, wait for their checkpoints, and disconnect."""
        try:
            for task in self._running:
                self._ray.cancel(task)
            if self._running:
                self._ray.wait(list(self._running), num_returns=len(self._running), timeout=GRACE)
        finally:
            self._ray.shutdown()

    def _connect(self, address: str | None) -> None:
        where = address or os.environ.get("RAY_ADDRESS", "local")
        local = {"include_dashboard": False} if where == "local" else {}
        try:
            _check_reachable(where)
            self._ray.init(
                address=where,
                log_to_driver=False,
                logging_level="ERROR",
                runtime_env={"env_vars": dict.fromkeys(THREADS, str(self.threads))},
                **local,
            )
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"--address {where}: cannot connect to a Ray cluster ({reason}); if it requires a "
                "token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH as on the cluster"
            ) from None

    def _outcome(self, task: Any) -> Outcome:
        try:
            outcome: Outcome = self._ray.get(task)
        except self._ray.exceptions.TaskCancelledError:
            return Outcome("unfinished", "interrupted")
        except self._ray.exceptions.RayTaskError as error:  # the job could not be unpickled
            return Outcome("failed", str(error).strip().splitlines()[-1])
        except self._ray.exceptions.RayError as error:  # a worker or a machine died
            return Outcome("crashed", f"{type(error).__name__}: {str(error).splitlines()[0]}")
        return outcome


def _check_reachable(address: str) -> None:
    """Connect to HOST:PORT or ray://HOST:PORT once, because Ray would retry for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=TIMEOUT).close()


def _check(nodes: Sequence[Any], threads: int, gpus: float) -> None:
    """Check that a machine has the resources, because Ray would wait for them forever."""
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    cpus = int(max(machine.get("CPU", 0) for machine in machines))
    if cpus < threads:
        raise UserError(f"--threads {threads}: must be at most {cpus} on this cluster")
    if gpus and not any(machine.get("GPU", 0) >= gpus for machine in machines):
        raise UserError(f"--gpus-per-job {gpus:g}: no machine of the cluster has that many")
