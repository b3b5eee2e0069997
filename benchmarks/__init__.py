"""Speed, memory and accuracy of each layer, measured by asv; never asserted by a test.

What is measured are the packages beside this folder, whatever is installed: asv drops PYTHONPATH.
"""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1] / "src")
sys.path.insert(0, ROOT)
os.environ["PYTHONPATH"] = ROOT  # for the processes that benchmarks start
