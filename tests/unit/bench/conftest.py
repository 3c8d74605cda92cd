"""The benches are scripts not a package: their folder goes on the path as Python does it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "bench"))
