"""Least squares in batches, the same numbers each time."""

import torch
from torch import Tensor


def solve(matrix: Tensor, target: Tensor) -> Tensor:
    """Return the x (K, d) at which ``|matrix x - target|`` is least, of matrices (K, m, d).

    The matrices have rank d.  PyTorch's default on a CPU, the driver ``gelsy``, hands LAPACK an
    array of column indices that it has not set, so that the order of the columns, and with it the
    last digits, depend on what was in memory before (pytorch/pytorch issue 187411).  ``gels`` has
    no such array, and is what a GPU uses anyway.
    """
    found = torch.linalg.lstsq(matrix, target.unsqueeze(-1), driver="gels")
    solution: Tensor = found.solution.squeeze(-1)
    return solution
