"""Batched least squares with reproducible results."""

import torch
from torch import Tensor


def solve(matrix: Tensor, target: Tensor) -> Tensor:
    """Return the x (K, d) that minimise ``|matrix x - target|`` for matrices (K, m, d) of rank d.

    PyTorch's default driver on a CPU, ``gelsy``, passes LAPACK an uninitialised array of column
    indices, so the column order and the last digits depend on previous memory contents
    (pytorch/pytorch issue 187411).  ``gels`` has no such array, and is what a GPU uses anyway.
    """
    solution: Tensor = torch.linalg.lstsq(matrix, target.unsqueeze(-1), driver="gels").solution
    return solution.squeeze(-1)
