"""Trials on a Ray cluster, or on a local instance of Ray; needs the extra `ray`.

A task of Ray starts the same process as `bnproof.sweep.local`, so that a trial is the same on a
laptop and on a cluster.  Ray finds a place for it and starts it again when a machine is lost.
"""

import os
import socket
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any, Final

from bnproof.sweep.process import GRACE, CrashError, Outcome, carry_out
from bnproof.theory.common.errors import UserError

PATIENCE: Final = 20.0  # seconds that a cluster may take to answer


def run(
    orders: Sequence[str],
    *,
    jobs: int | None,
    threads: int,
    gpus: int,
    retries: int,
    seconds: float,
    address: str | None,
) -> Generator[tuple[int, Outcome], None, None]:
    """Carry out trials on Ray; yields as `bnproof.sweep.local.run` does.

    Parameters
    ----------
    jobs
        At most so many at a time; None for as many as there is room for.
    gpus
        GPUs of a trial: 0 or 1.
    address
        Of a cluster; None for that of ``RAY_ADDRESS``, or else a local instance.

    Raises
    ------
    UserError
        If Ray is missing, no cluster answers, or no machine of it has the cores and GPUs.
    """
    # Before Ray is imported, which reads them then.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UserError("--engine ray: needs Ray; pip install 'bnproof[ray]'") from None
    _connect(ray, address)
    running: dict[Any, int] = {}
    try:
        _check(ray, threads, gpus)
        remote = ray.remote(carry_out).options(
            num_cpus=threads, num_gpus=gpus, max_retries=retries, retry_exceptions=[CrashError]
        )
        waiting = deque(enumerate(orders))
        while waiting or running:
            while waiting and (jobs is None or len(running) < jobs):
                place, order = waiting.popleft()
                running[remote.remote(order, threads, seconds)] = place
            ready, _ = ray.wait(list(running), timeout=1.0)
            for reference in ready:
                yield running.pop(reference), _outcome(ray, reference, retries)
    finally:
        for reference in running:
            ray.cancel(reference)
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=GRACE)
        ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    where = address or os.environ.get("RAY_ADDRESS", "local")
    local = {"include_dashboard": False} if where == "local" else {}
    try:
        _answers(where)
        ray.init(address=where, log_to_driver=False, logging_level="ERROR", **local)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"--address {where}: no Ray cluster lets us in there ({reason}); if it asks for a "
            "token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH as its machines have them"
        ) from None


def _answers(address: str) -> None:
    """Try to reach HOST:PORT or ray://HOST:PORT; Ray itself goes on trying for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def _check(ray: Any, threads: int, gpus: int) -> None:
    """Refuse what no machine has: Ray would wait for it for ever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if gpus and not any(machine.get("GPU", 0) >= gpus for machine in machines):
        raise UserError("--gpus-per-trial 1: no machine of the cluster has a GPU; use 0")
    most = int(max(machine.get("CPU", 0) for machine in machines))
    if most < threads:
        raise UserError(f"--threads {threads}: no machine of the cluster has more than {most}")


def _outcome(ray: Any, reference: Any, retries: int) -> Outcome:
    try:
        outcome: Outcome = ray.get(reference)
    except CrashError as error:  # after the last attempt; Ray's error is of this class too
        return Outcome("failed", f"{_cause(error)}, {retries + 1} times")
    except ray.exceptions.RayError as error:
        return Outcome("failed", f"{type(error).__name__}: {str(error).splitlines()[0]}")
    return outcome


def _cause(error: Exception) -> str:
    return str(getattr(error, "cause", error))
