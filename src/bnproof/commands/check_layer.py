"""The command `bnproof check-layer`: check a user-defined layer."""

import contextlib
import math
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bnproof.commands.common import write_json
from bnproof.commands.user_code import current_folder, module_at
from bnproof.theory.common.errors import UserError, valid_seed


def check_layer(
    target: Annotated[str, Parameter(name="TARGET")],
    /,
    *,
    as_: Annotated[str | None, Parameter(name="--as")] = None,
    shape: str | None = None,
    eps: float | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    parts: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    known: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    json: Path | None = None,
    junit: Path | None = None,
    verbose: Annotated[bool, Parameter(negative="")] = False,
    timeout: float = 300.0,
) -> int:
    """Check your own normalisation layer against the definition of a normaliser.

    A fault is a wrong number, or something that users need and that raises. Limits, such as a
    transform that the layer does not support, and notes do not count.
    Exit status: 0 if there is no fault, 1 if there is one, 2 if the layer cannot be measured.

    Parameters
    ----------
    target
        package.module:factory, where factory is a function or class that returns the module, or
        the module itself. Modules in the current folder can be imported. The code is executed: use
        only code that you trust.
    as_
        Normaliser to compare with: batch, layer, rms, group, group(4) or instance. By default it
        is inferred from the layer's type or output.
    shape
        Shape of the input, batch first: 64,8 or 64,3,8,8. By default it is inferred from the
        module.
    eps
        Expected value of eps; by default that of the module.
    device
        Device for PyTorch; auto uses a GPU if there is one.
    seed
        Random seed of input, parameters and loss, 0 or larger.
    parts
        Parts of the report to measure, such as "first derivatives"; all by default.
    known
        Checks in which a fault is expected, such as "running mean"; it becomes a note.
    json
        Also write all results to this file.
    junit
        Also write all results to this file in the JUnit format of CI systems.
    verbose
        Show every check; otherwise derivatives with the same outcome are folded.
    timeout
        Give up after this many seconds, in case the layer does not return.
    """
    from bnproof.scheduler import resources
    from bnproof.theory.common import files

    valid_seed("--seed", seed)
    if not 0 < timeout < math.inf:
        raise UserError(f"--timeout {timeout:g}: must be a positive number of seconds")
    sizes = None if shape is None else _sizes(shape)
    for path in filter(None, (json, junit)):
        files.probe(path)
    with current_folder(), _limited(timeout, target):
        try:
            module = module_at(target, "check-layer ")
            from bnproof.simulate.layer_checks.measure import check_layer as measure

            resolved = resources.device(device)
            report = measure(
                module,
                spec=as_,
                shape=sizes,
                eps=eps,
                device=resolved,
                seed=seed,
                parts=parts or None,
                known=known or (),
            )
        except (TypeError, ValueError) as error:
            raise UserError(f"{target}: {error}") from None
        except SystemExit:  # could otherwise look like success
            raise UserError(f"{target}: calls sys.exit; remove the call") from None
    print("\n".join(report.lines(every=verbose)))
    if json:
        write_json(json, report.as_dict())
    if junit:
        files.write_text(junit, report.junit())
    return 0 if report.passed else 1


class _TimeoutError(BaseException):
    """The time is over; no check may take it for an error of the layer."""


@contextlib.contextmanager
def _limited(seconds: float, target: str) -> Iterator[None]:
    """Give up what takes longer; only the main thread can be interrupted.

    Raises
    ------
    UserError
        If the time is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise _TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeoutError:
        words = f"{target}: does not finish in {seconds:g} s; allow more with --timeout"
        raise UserError(words) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _sizes(shape: str) -> tuple[int, ...]:
    parts = shape.replace("x", ",").split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts) or len(parts) < 2:
        raise UserError(f"--shape {shape}: must be at least two positive integers, such as 64,8")
    return tuple(int(part) for part in parts)
