"""What every bench shares: pinned processes, wrk, processor accounts, the machine's facts and the report."""

import sys
from pathlib import Path

# A script's folder comes first on the path, and bench/audit.py would be taken for the package `audit`.
_BENCH = Path(__file__).resolve().parents[1]
sys.path[:] = [
    *(place for place in sys.path if Path(place).resolve() != _BENCH), str(_BENCH.parent), str(_BENCH)
]  # fmt: skip
