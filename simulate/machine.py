"""Properties of the machine that affect the last digits of results.

PyTorch, oneDNN, MKL and OpenBLAS choose their kernels, and thereby the order of summation, by
processor.  Machines with the same `features` choose the same kernels.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch

UNKNOWN: Final = "unknown"
# Environment variables that make a library behave as on another processor.
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
    """Return the properties that determine the choice of kernels.

    Parameters
    ----------
    device
        ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    dict
        ``"processor"`` and ``"vendor"``; ``"capability"`` of PyTorch's own kernels;
        ``"instructions"``, the vector and matrix instructions of the processor; ``"limits"`` set
        by environment variables.  For a GPU also its name, ``"gpu"``, and the versions of
        ``"cuda"`` and ``"cudnn"``.  Unavailable values are ``"unknown"``.
    """
    properties = processor() | {
        "capability": torch.backends.cpu.get_cpu_capability(),
        "limits": " ".join(f"{key}={os.environ[key]}" for key in LIMITS if key in os.environ)
        or "none",
    }
    if device.startswith("cuda"):
        properties |= {
            "gpu": torch.cuda.get_device_name(device),
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),
        }
    return properties


@cache
def processor() -> dict[str, str]:
    """Return properties of the processor itself, regardless of limits."""
    system = _cpuinfo(Path("/proc/cpuinfo"))
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # newer versions only
    name = system.get("model name") or known.get("cpu_name") or UNKNOWN
    # The name may be abbreviated in virtual machines, for example to "AMD EPYC".
    model = [f"{key} {system[key]}" for key in MODEL if key in system]
    return {
        "processor": f"{name} ({', '.join(model)})" if model else name,
        "vendor": system.get("vendor_id") or system.get("CPU implementer") or UNKNOWN,
        "instructions": " ".join(
            name if value is True else f"{name}={value}"
            for name, value in sorted(known.items())
            if value and name.startswith(VECTORS)
        )
        or UNKNOWN,
    }


def _cpuinfo(path: Path) -> dict[str, str]:
    """Return Linux's description of the first core; empty on other systems."""
    try:
        first = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    rows = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in rows}
