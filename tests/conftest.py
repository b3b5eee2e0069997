"""Fixtures for all tests: one hypothesis profile, devices, the repository's root, a browser.

And a GPU that is pretended where there is none: tensors on the CPU with a mark, and an error where
a GPU would raise one.  What PyTorch computes stays what it is.  Whoever mixes a marked tensor with
an unmarked one, reads a marked one as a NumPy array, or draws marked numbers with a generator of
the CPU is told so.  A tape stands in for CUDA graphs.
"""

import gc
import importlib.util
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor
from torch.func import vmap
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIETLY = [  # it sandboxes nothing of a stranger's here, and asks nobody for updates
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--installed",
        action="store_true",
        help="test the bnproof that is installed (its wheel) instead of this checkout",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test the code of another checkout; let Ctrl-C have its effect."""
    gc.set_threshold(50_000, 20, 50)  # what SymPy and PyTorch make mostly stays
    if threading.current_thread() is threading.main_thread():
        # A shell makes what it starts in the background ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    spec = importlib.util.find_spec("bnproof")
    # Without a file it is the folder `tests/bnproof`.
    home = Path(spec.origin).resolve().parent if spec and spec.origin else None
    ours = home == ROOT / "src" / "bnproof"
    where = f"imports bnproof from {home}" if home else "finds no bnproof"
    if config.getoption("--installed"):
        if home is None or ours:
            raise pytest.UsageError(f"--installed: {sys.executable} {where}; install a wheel there")
    elif not ours:
        raise pytest.UsageError(
            f"{sys.executable} {where}; to test this checkout run `make test`, or first "
            f"`{sys.executable} -m pip install -e {ROOT}`"
        )


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser that Playwright drives; tests that take it belong to the group `browser`."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: the extra `browser` has it"
    )
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser found; looked for {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as engine:
        running = engine.chromium.launch(executable_path=found, args=QUIETLY)
        yield running
        running.close()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Derivations and data are kept in a folder of this run, shared by its workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNPROOF_CACHE", str(folder))
        patch.setenv("BNPROOF_DATA_DIR", str(folder / "data"))
        yield


PRETENDED = "cuda"


def tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from tensors(entry)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def marked(tensor: Tensor) -> bool:
    return getattr(tensor, "_pretended", False)


def mark(value: Any, on: bool) -> Any:
    for tensor in tensors(value):
        tensor._pretended = on  # type: ignore[attr-defined]
    return value


def is_gpu(device: Any) -> bool:
    return torch.device(device).type == PRETENDED


READINGS = {"item", "tolist", "__bool__", "__float__", "__int__", "__index__", "numpy", "nonzero"}
MADE_THERE = {"tensor", "as_tensor", "asarray"}  # from what the CPU has


class PretendedGPU(TorchFunctionMode):
    """Within it ``device="cuda"`` is served by the CPU.

    Attributes
    ----------
    transfers
        What went from the CPU to the GPU or back: the name of each function that was asked for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transfers: list[str] = []

    class RefusedError(RuntimeError):
        """What a GPU would have refused."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", str(func))
        if name in READINGS and marked(args[0]):
            self.transfers.append(name)
        special = getattr(self, f"on_{name}", None)
        if special is not None:
            return special(func, args, kwargs)
        on = self._placed(name, args, kwargs)
        return mark(func(*args, **kwargs), on)

    def _placed(self, name: str, args: Any, kwargs: dict[str, Any]) -> bool:
        """Where the result lies; the device in `kwargs` becomes the CPU."""
        given = [*tensors(list(args)), *tensors(kwargs)]
        on = [tensor for tensor in given if marked(tensor)]
        # A GPU takes a number of the CPU, but no whole tensor, and no number to be joined.
        joins = name in ("stack", "cat", "matmul", "__matmul__", "bmm")
        off = [tensor for tensor in given if not marked(tensor) and (tensor.dim() or joins)]
        if on and off and name != "_has_compatible_shallow_copy_type":
            raise self.RefusedError(f"{name}: all tensors must be on the same device")
        device = kwargs.get("device")
        if device is None:
            return bool(on)
        kwargs["device"] = "cpu"
        if is_gpu(device) and name in MADE_THERE:
            self.transfers.append(name)
        if is_gpu(device) and kwargs.get("generator") is not None:
            raise self.RefusedError(f"{name}: a generator of the CPU draws nothing on a GPU")
        return is_gpu(device)

    def on___get__(self, func: Any, args: Any, kwargs: Any) -> Any:
        attribute = getattr(getattr(func, "__self__", None), "__name__", "")
        if attribute == "device":
            return torch.device(PRETENDED if marked(args[0]) else "cpu")
        if attribute == "is_cuda":
            return marked(args[0])
        return mark(func(*args, **kwargs), marked(args[0]))

    def on___set__(self, func: Any, args: Any, kwargs: Any) -> Any:
        if getattr(getattr(func, "__self__", None), "__name__", "") == "data":
            mark(args[0], marked(args[1]))  # a parameter of a module that is moved
        return func(*args, **kwargs)

    def on__parse_to(self, func: Any, args: Any, kwargs: Any) -> Any:
        return func(*args, **kwargs)  # what `Module.to` asks for

    def on___deepcopy__(self, func: Any, args: Any, kwargs: Any) -> Any:
        return mark(func(*args, **kwargs), marked(args[0]))  # its memo holds both kinds

    def on_numpy(self, func: Any, args: Any, kwargs: Any) -> Any:
        if marked(args[0]):
            raise self.RefusedError("a tensor on a GPU is no NumPy array")
        return func(*args, **kwargs)

    on___array__ = on_numpy

    def on_cpu(self, func: Any, args: Any, kwargs: Any) -> Any:
        self.transfers += ["cpu"] * marked(args[0])
        return mark(args[0].view_as(args[0]), False)

    def on_to(self, func: Any, args: Any, kwargs: Any) -> Any:
        on, rest = marked(args[0]), []
        for value in (*args[1:], *filter(None, [kwargs.pop("device", None)])):
            if isinstance(value, str | torch.device):
                on = is_gpu(value)
                continue
            if isinstance(value, Tensor):
                on, value = marked(value), value.dtype
            if value is not None and not isinstance(value, bool):  # no type, whether to wait
                rest.append(value)
        self.transfers += ["to"] * (on != marked(args[0]))
        made = func(args[0], *rest, **kwargs) if rest or kwargs else args[0]
        return mark(made.view_as(made) if made is args[0] else made, on)

    def on___getitem__(self, func: Any, args: Any, kwargs: Any) -> Any:
        if not marked(args[0]) and any(map(marked, tensors(args[1]))):
            raise self.RefusedError("indices must be on the CPU, as what they index")
        return mark(func(*args, **kwargs), marked(args[0]))

    def on___setitem__(self, func: Any, args: Any, kwargs: Any) -> Any:
        for tensor in tensors(list(args[1:])):
            if tensor.dim() and marked(tensor) and not marked(args[0]):
                raise self.RefusedError("what is written must be on the CPU")
        return func(*args, **kwargs)

    def on_copy_(self, func: Any, args: Any, kwargs: Any) -> Any:
        self.transfers += ["copy_"] * (marked(args[0]) != marked(args[1]))
        return mark(func(*args, **kwargs), marked(args[0]))

    def on_pin_memory(self, func: Any, args: Any, kwargs: Any) -> Any:
        if marked(args[0]):
            raise self.RefusedError("only memory of the CPU can be pinned")
        return args[0]

    def on_broadcast_tensors(self, func: Any, args: Any, kwargs: Any) -> Any:
        made = func(*args, **kwargs)
        for before, after in zip(tensors(list(args)), made, strict=True):
            mark(after, marked(before))
        return made


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> PretendedGPU:
    fork = torch.random.fork_rng
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices=None: fork(devices=[]))
    copied = torch.nn.Parameter.__deepcopy__  # which is no function that a mode sees
    monkeypatch.setattr(
        torch.nn.Parameter,
        "__deepcopy__",
        lambda parameter, memo: mark(copied(parameter, memo), marked(parameter)),
    )
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "pretended")
    return PretendedGPU()


READING_A_VALUE = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")


class Tape(TorchDispatchMode):
    """Notes every operation and its tensors, and repeats them in the same memory.

    As in a CUDA graph, what Python computed while it was recorded is a constant, results of earlier
    replays are overwritten, and no value can be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in READING_A_VALUE:
            raise RuntimeError(f"{func}: not permitted when stream is capturing\nmore lines")
        out = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, out))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        with torch._C.DisableTorchFunction():
            for func, args, kwargs, out in self.operations:
                again = func(*args, **kwargs)
                for tensor, value in zip(tree_leaves(out), tree_leaves(again), strict=True):
                    # Views and what is changed in place are in the same memory already.
                    if isinstance(tensor, Tensor) and tensor.data_ptr() != value.data_ptr():
                        tensor.copy_(value)


class StandIn:
    """Records tapes; a real one records without doing the work."""

    def __init__(self) -> None:
        self.tapes: list[Tape] = []

    def warm_up(self, work: Callable[[], None]) -> None:
        work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        tape = Tape()
        with tape:
            work()
        self.tapes.append(tape)
        return tape.replay


def on_device(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The result is marked if an argument is; the tensors within vmap have no mark."""
    return lambda *args: mark(function(*args), any(map(marked, tensors(list(args)))))


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[StandIn]:
    """The stand-ins made in place of recorders of CUDA graphs."""
    from bnproof.empirical.training import graphs, loop, stack, together

    made: list[StandIn] = []

    def recorder(device: str) -> StandIn:
        made.append(StandIn())
        return made[-1]

    for module in (loop, together):
        monkeypatch.setattr(module, "recorder", recorder)
    monkeypatch.setattr(stack, "vmap", lambda function: on_device(vmap(function)))
    assert graphs.recorder("cuda").device == "cuda"
    return made
