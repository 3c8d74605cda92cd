"""Whether a component of this container lives: `python health.py COMPONENT`; exit code 0, or 1 and why.

Asks its /livez, where affiant.toml says that it listens. Whether it can do its work is /readyz, and its metrics.
"""

from __future__ import annotations

import ssl
import sys
import urllib.request

from audit.config import load
from audit.errors import AuditError
from cli.up import PARTS

SECONDS = 4


def main() -> int:
    """Returns an exit code."""
    try:
        [part] = [part for part in PARTS if part.name == sys.argv[1]]
        address = f"{part.address(load())}/livez"
        # The certificate is for those who come from elsewhere; here it is this container's own.
        context = ssl._create_unverified_context() if address.startswith("https") else None  # noqa: S323, SLF001
        with urllib.request.urlopen(address, timeout=SECONDS, context=context) as answer:
            answer.read()
    except (AuditError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
