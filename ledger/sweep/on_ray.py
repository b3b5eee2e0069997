"""Trials on a Ray cluster, or on a local instance of Ray; needs the extra `ray`.

A task of Ray starts the same process as `ledger.sweep.local`, so that a trial is the same on a
laptop and on a cluster.  Ray finds a place for it and starts it again when a machine is lost.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from ledger.sweep.process import GRACE, Crashed, Outcome, carry_out
from theory.errors import UserError


def run(
    orders: Sequence[str],
    *,
    jobs: int | None,
    threads: int,
    gpus: int,
    retries: int,
    seconds: float,
    address: str | None,
) -> Iterator[tuple[int, Outcome]]:
    """Carry out trials on Ray; yields as `ledger.sweep.local.run` does.

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
    # A place with no GPU asked for keeps the devices that it sees; what is asked for decides.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UserError("--engine ray: needs Ray; pip install 'bnproof[ray]'") from None
    _connect(ray, address)
    running: dict[Any, int] = {}
    try:
        _check(ray, threads, gpus)
        remote = ray.remote(carry_out).options(
            num_cpus=threads, num_gpus=gpus, max_retries=retries, retry_exceptions=[Crashed]
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
    where = address or ("auto" if "RAY_ADDRESS" in os.environ else "local")
    local = {"include_dashboard": False} if where == "local" else {}
    try:
        ray.init(address=where, log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"--address {where}: no Ray cluster answers there ({reason})") from None


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
    except Crashed as error:  # after the last attempt; Ray's error is of this class too
        return Outcome("failed", f"{_cause(error)}, {retries + 1} times")
    except ray.exceptions.RayError as error:
        return Outcome("failed", f"{type(error).__name__}: {str(error).splitlines()[0]}")
    return outcome


def _cause(error: Exception) -> str:
    return str(getattr(error, "cause", error))
