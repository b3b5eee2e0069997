"""The machine that computes, as far as the last digits of a number depend on it.

PyTorch, oneDNN, MKL and OpenBLAS choose the kernel of a sum, and with it the order of its terms, by
processor.  Machines with the same `features` choose the same.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch

UNKNOWN: Final = "unknown"
# Environment variables by which a library computes as on another processor.
LIMITS: Final = (
    "ATEN_CPU_CAPABILITY",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
MODEL: Final = ("cpu family", "model", "CPU part")
VECTORS: Final = ("amx", "avx", "bf16", "dot", "fma", "i8mm", "neon", "sme", "sve")


def features(device: str) -> dict[str, str]:
    """Name what the kernels are chosen by.

    Parameters
    ----------
    device
        ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    dict
        ``"processor"`` and ``"vendor"``; ``"capability"`` of PyTorch's own kernels;
        ``"instructions"`` for vectors and matrices that the processor has; ``"limits"`` set by
        environment variables.  Of a GPU also ``"gpu"``, ``"cuda"`` and ``"cudnn"``, its name and
        versions.  What the system does not tell is ``"unknown"``.
    """
    found = processor() | {
        "capability": torch.backends.cpu.get_cpu_capability(),
        "limits": " ".join(f"{key}={os.environ[key]}" for key in LIMITS if key in os.environ)
        or "none",
    }
    if device.startswith("cuda"):
        found |= {
            "gpu": torch.cuda.get_device_name(device),
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),
        }
    return found


@cache
def processor() -> dict[str, str]:
    """The processor as it is, whatever limits are set."""
    system = _cpuinfo(Path("/proc/cpuinfo"))
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # of newer versions only
    name = system.get("model name") or known.get("cpu_name") or UNKNOWN
    # Virtual machines shorten the name: an EPYC of any generation is an "AMD EPYC" there.
    exactly = [f"{key} {system[key]}" for key in MODEL if key in system]
    return {
        "processor": f"{name} ({', '.join(exactly)})" if exactly else name,
        "vendor": system.get("vendor_id") or system.get("CPU implementer") or UNKNOWN,
        "instructions": " ".join(
            name if value is True else f"{name}={value}"
            for name, value in sorted(known.items())
            if value and name.startswith(VECTORS)
        )
        or UNKNOWN,
    }


def _cpuinfo(path: Path) -> dict[str, str]:
    """What Linux says of the first core; nothing on other systems."""
    try:
        first = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    rows = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in rows}
