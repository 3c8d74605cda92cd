r"""Apache Spark on this machine alone, in an environment of its own in the cache; it runs on the Java that runs Kafka.

    spark(script, archive, folder=…, trace=…)     # in Spark's own Python

To renew what it is made of, in this folder (`build.txt` from `build.in` likewise):

    uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-annotate --no-header requirements.in -o requirements.txt
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from tests.components.environments import environment, run
from tests.components.process import find_program

_HERE: Final = Path(__file__).parent


@cache
def spark_environment() -> Path:
    """Spark's environment; see `environment`."""
    return environment("spark", _HERE / "requirements.txt", _HERE / "build.txt")


def spark(script: Path, *arguments: str, folder: Path, trace: Path) -> str:
    """Run a script in Spark's environment, one core; what it printed.

    No name but localhost resolves in it. `folder` takes its temporary files; `trace` what strace saw of its
    connections, and of packets sent without one.

    Raises:
        ComponentError: it failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    find_program("java", "java")
    strace = [find_program("strace", "strace"), "-f", "--seccomp-bpf", "-qq", "-o", str(trace)]
    python = spark_environment() / "bin" / "python"
    return run(
        [*strace, "-e", "trace=connect,sendto", str(python), str(script), *arguments],
        {
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_HOSTNAME": "localhost",
            "SPARK_LOCAL_DIRS": str(folder),
            "JDK_JAVA_OPTIONS": f"-Djdk.net.hosts.file={hosts} -Djava.io.tmpdir={folder} -Duser.home={folder} "
            "-XX:TieredStopAtLevel=1 -Xmx512m",
            "TZ": "UTC",
        },
    )
