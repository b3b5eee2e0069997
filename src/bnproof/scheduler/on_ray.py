"""Jobs on a Ray cluster, or on a local instance of Ray; needs the extra `ray`.

A job is a task of Ray, which finds a place for it; what it writes must lie on a file system that
all machines share.
"""

import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from bnproof.scheduler.job import GRACE, Job, Outcome, captured
from bnproof.scheduler.resources import THREADS
from bnproof.theory.common.errors import UserError

PATIENCE: Final = 20.0  # seconds that a cluster may take to answer


class Ray:
    """An engine that gives jobs to Ray.

    Parameters
    ----------
    address
        Of a cluster; None for that of ``RAY_ADDRESS``, or else a local instance.
    jobs
        At most so many at a time; None for as many as there is room for.
    threads
        Cores of a job, and threads that it computes with.
    gpus
        GPUs of a job: 0, a fraction, or a whole number.

    Raises
    ------
    UserError
        If Ray is missing, no cluster answers, or no machine of it has the cores and GPUs.
    """

    def __init__(self, address: str | None, *, jobs: int | None, threads: int, gpus: float) -> None:
        # Before Ray is imported, which reads them then.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise UserError("--engine ray: needs Ray; pip install 'bnproof[ray]'") from None
        self.threads = threads
        self._ray: Any = ray
        self._running: dict[Any, Job] = {}
        self._connect(address)
        try:
            _check(self._ray.nodes(), threads, gpus)
        except UserError:
            ray.shutdown()
            raise
        self._jobs = jobs
        # A job that vanishes is tried again by the scheduler, which counts.
        self._task = ray.remote(captured).options(num_cpus=threads, num_gpus=gpus, max_retries=0)

    def room(self) -> bool:
        """Whether another job may be handed over; Ray keeps those that have to wait."""
        return self._jobs is None or len(self._running) < self._jobs

    def start(self, job: Job, seconds: float) -> None:
        """Hand a job over."""
        self._running[self._task.remote(job, seconds)] = job

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        """The jobs that have ended, after waiting at most so long for one."""
        ready, _ = self._ray.wait(list(self._running), timeout=seconds)
        return [(self._running.pop(task), self._outcome(task)) for task in ready]

    def close(self) -> None:
        """Interrupt what runs, wait for its checkpoints, and leave the cluster."""
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
            _answers(where)
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
                f"--address {where}: no Ray cluster lets us in there ({reason}); if it asks for a "
                "token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH as its machines have them"
            ) from None

    def _outcome(self, task: Any) -> Outcome:
        try:
            outcome: Outcome = self._ray.get(task)
        except self._ray.exceptions.TaskCancelledError:
            return Outcome("unfinished", "stopped from outside")
        except self._ray.exceptions.RayTaskError as error:  # its arguments could not be read there
            return Outcome("failed", str(error).strip().splitlines()[-1])
        except self._ray.exceptions.RayError as error:  # a worker, or a whole machine, is gone
            return Outcome("crashed", f"{type(error).__name__}: {str(error).splitlines()[0]}")
        return outcome


def _answers(address: str) -> None:
    """Try to reach HOST:PORT or ray://HOST:PORT; Ray itself goes on trying for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def _check(nodes: Sequence[Any], threads: int, gpus: float) -> None:
    """Refuse what no machine has: Ray would wait for it for ever."""
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    most = int(max(machine.get("CPU", 0) for machine in machines))
    if most < threads:
        raise UserError(f"--threads {threads}: no machine of the cluster has more than {most}")
    if gpus and not any(machine.get("GPU", 0) >= gpus for machine in machines):
        raise UserError(f"--gpus-per-job {gpus:g}: no machine of the cluster has so many")
