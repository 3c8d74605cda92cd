"""What the demo starts and looks at: gateways, the command, the log's files."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from audit.config import Config, load
from audit.log import configured_log
from audit.log.frames import decode_frame, encode_frame
from audit.notary.keys import generate
from audit.proof.entry import Kind
from audit.proof.record import parse_record, split_record
from audit.sealed import Published
from audit.settings import NotarySettings
from audit.trees import configured_trees
from cli.supervisor import die_with
from cli.tables import commented_toml

READY_SECONDS: Final = 60.0
END_SECONDS: Final = 120.0
FIRST_PORT: Final = 3000
RECORDED: Final = (Kind.INFERENCE, Kind.ABORTED)


def free_port(first: int = FIRST_PORT) -> int:
    """The first port from there on that nothing on this machine's loopback has taken."""
    for port in range(first, first + 1000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port from {first} on")


def write_settings(
    path: Path, plan: Mapping[str, str], more: Mapping[str, Mapping[str, object]] = MappingProxyType({})
) -> None:
    """A commented affiant.toml with this plan (service → digest), on ports that are free, and the notary's key.

    `more`: further tables.
    """
    port = free_port()
    sidecar = free_port(port + 1)
    notary = free_port(sidecar + 1)
    monitor = free_port(notary + 1)
    text = commented_toml(
        {
            "data": {"directory": "affiant-data"},
            "gateway": {"port": port},
            "journal": {"segment_bytes": 16 << 20, "max_bytes": 256 << 20},
            "log": {"backend": "local"},
            "sidecar": {"metrics_port": sidecar},
            "notary": {"metrics_port": notary},
            "monitor": {"metrics_port": monitor},
            "controller": {"port": free_port(monitor + 1)},
            **more,
        }
    )
    parts = (f'\n[[plan]]\nservice = "{service}"\ndigest = "{digest}"\n' for service, digest in plan.items())
    path.write_text(text + "".join(parts))
    settings = NotarySettings()
    generate(path.parent / settings.key_file, path.parent / settings.public_key_file, settings.name)


def affiant(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of the command."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", *arguments], capture_output=True, text=True, check=False
    )


def command() -> str:
    """The installed command, as one types it in this directory."""
    path = Path(sys.executable).with_name("affiant")
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


class Gateway:
    """A running `affiant up` (or `affiant gateway`), ended in order on the way out."""

    host = "127.0.0.1"

    def __init__(self, config: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.port: int = tomllib.loads(config.read_text())["gateway"]["port"]
        self.url = f"http://{self.host}:{self.port}"
        self.config = config
        self._output = config.with_name(f"{arguments[0]}-{config.stem}.txt")
        self._argv = [sys.executable, "-P", "-m", "cli.main", *arguments, "--config", str(config)]
        self._environment = {**os.environ, **environment}
        self._child: subprocess.Popen[bytes] | None = None

    @classmethod
    def up(cls, config: Path) -> Self:
        """Everything that these settings name."""
        return cls(config, ["up"], {})

    @classmethod
    def alone(cls, config: Path, *, unaudited: bool) -> Self:
        """The gateway without its sidecar; `unaudited` leaves the journal out, for measuring alone."""
        return cls(config, ["gateway"], {"AFFIANT_BENCH_UNAUDITED": "1"} if unaudited else {})

    def __enter__(self) -> Self:
        parent = os.getpid()
        with self._output.open("wb") as output:
            self._child = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 - one thread, and nothing but prctl
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child is not None
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            code = self._child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise RuntimeError(f"it did not end within {END_SECONDS:.0f} s:\n{self.tail()}") from None
        if code not in (0, -signal.SIGTERM):
            raise RuntimeError(f"it ended with {code}:\n{self.tail()}")

    async def ready(self) -> None:
        """Wait until it answers predictions.

        Raises:
            RuntimeError: it has ended, or was not ready in time; with the end of its output.
        """
        assert self._child is not None
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while not await asyncio.to_thread(self._is_ready):
            if self._child.poll() is not None:
                raise RuntimeError(f"it ended with {self._child.returncode}:\n{self.tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeError(f"not ready within {READY_SECONDS:.0f} s:\n{self.tail()}")
            await asyncio.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            return len(self.get("/readyz")) >= 0
        except (urllib.error.URLError, OSError):
            return False  # not yet

    def get(self, path: str) -> str:
        """The text of a page."""
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def tail(self, lines: int = 30) -> str:
        """The end of its output."""
        return "\n".join(self._output.read_text(errors="replace").splitlines()[-lines:])


async def journal_append(gateway: Gateway) -> dict[str, float]:
    """p50 and p99, in seconds, of giving a record to the journal until it was durable, from /metrics."""
    text = await asyncio.to_thread(gateway.get, "/metrics")
    pattern = r'^affiant_journal_append_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)$'
    buckets = [(float(bound), float(count)) for bound, count in re.findall(pattern, text, re.MULTILINE)]
    if not buckets or buckets[-1][1] == 0:
        raise RuntimeError("/metrics has no affiant_journal_append_seconds")
    return {"p50": within(buckets, 0.5), "p99": within(buckets, 0.99)}


def within(buckets: Sequence[tuple[float, float]], share: float) -> float:
    """A quantile of cumulative (bound, count), linear within its bucket, as Prometheus does it."""
    rank, low, below = share * buckets[-1][1], 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            return low if bound == float("inf") else low + (bound - low) * (rank - below) / (count - below)
        low, below = bound, count
    return low


def fdatasync_seconds(directory: Path, size: int = 1024, times: int = 100) -> float:
    """p50 of writing `size` bytes into a file that has its blocks already, and waiting for this disk."""
    path, block = directory / "fdatasync", os.urandom(size)
    path.write_bytes(bytes(size * times))
    descriptor = os.open(path, os.O_WRONLY)
    taken = []
    try:
        os.fsync(descriptor)
        for number in range(times):
            started = time.perf_counter()
            os.pwrite(descriptor, block, number * size)
            os.fdatasync(descriptor)
            taken.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(taken)


def records(config: Config) -> dict[str, bytes]:
    """Record id → record, of every exchange in the log."""
    log = configured_log(config)
    reader, found = log.reader(), {}
    try:
        for partition in range(log.topic().partitions):
            offset, end = reader.bounds(partition)
            while offset < end:
                for read in reader.read(partition, offset, 4 << 20, 10.0):
                    entry = parse_record(read.value).entry
                    if entry.kind in RECORDED:
                        found[entry.record_id] = read.value
                    offset = read.offset + 1
    finally:
        reader.close()
    return found


def sealed(config: Config) -> list[Published]:
    """The newest checkpoint of each partition of the log, verified."""
    trees, topic = configured_trees(config), configured_log(config).topic()
    return [trees.tree(topic.id, partition).published() for partition in range(topic.partitions)]


async def shipped(config: Path, wanted: Sequence[str]) -> None:
    """Wait until the log has all of these records."""
    deadline = asyncio.get_running_loop().time() + END_SECONDS
    while missing := set(wanted) - set(await asyncio.to_thread(records, load(config))):
        if asyncio.get_running_loop().time() > deadline:
            raise RuntimeError(f"{len(missing)} records are not in the log after {END_SECONDS:.0f} s")
        await asyncio.sleep(0.2)


def forge(directory: Path, record: bytes) -> str:
    """Flip one bit of the request that a record holds, in a copy of the local log; says where.

    Done as somebody would who knows the log's format: its checksums are made right again.
    """
    _, payload = split_record(record)
    forged = bytearray(record)
    forged[len(record) - len(payload) // 2] ^= 1
    for path in sorted(directory.glob("*/*.log")):
        content, place = path.read_bytes(), 0
        while (found := decode_frame(content, place, len(content))) is not None:
            read, following = found
            if read.value == record:
                frame = encode_frame(read.offset, read.timestamp, read.key or b"", bytes(forged))
                path.write_bytes(content[:place] + frame + content[following:])
                return f"the record at offset {read.offset} ({path.parent.name}/{path.name})"
            place = following
    raise RuntimeError(f"no file under {directory} holds {parse_record(record).entry.record_id}")
