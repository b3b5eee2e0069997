"""Benchmarks of speed, memory and accuracy, run by asv.

They measure the packages of this checkout, not installed ones, although asv removes PYTHONPATH.
"""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1] / "src")
sys.path.insert(0, ROOT)
os.environ["PYTHONPATH"] = ROOT  # for subprocesses of benchmarks
