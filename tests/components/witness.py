"""A witness (torchwood's litewitness) as a child process, on a free loopback port.

    with Litewitness(directory) as witness:
        witness.add_log(key.name, key.vkey)
        answer = witness.add_checkpoint(0, [], checkpoint)      # 200, and answer.body is its signature's line

It takes its key from an ssh-agent and from nowhere else, so each has a real agent of its own. Which logs it knows
stands in its SQLite file; the program that writes them there does not build from what can be fetched, so `add_log`
writes the rows. The witness asks that file each time, so a log may be added while it runs.

What it answers (C2SP tlog-witness): 200 with signature lines; 404 to a log that it does not know; 403 to a
checkpoint that the log's key has not signed; 409 with its own size when `old` is not that (a rollback, or a second
log's head at a place where it is already further); 422 when the proof does not hold (a fork); 400 to what is no
request, or has `old` above the size. It accepts any proof when `old` is 0, as it must. A request has at most 10 KiB.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import sqlite3
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.components.cache import cached
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Component, Process, find_program

_COSIGNATURE = b"\x04"
# The agent puts its socket there and then becomes the command, beside which it goes on; it notices the command's
# end by itself. Being setgid, it has lost the wish to die with its parent, so the command wishes it again.
_SCRIPT = 'ssh-add -q "$1" && shift && exec "$@"'


class WitnessAnswer(NamedTuple):
    """What the witness answered."""

    status: int
    body: bytes


class Litewitness(Component):
    """A witness that keeps its key, its memory and its port over its lives."""

    def __init__(self, directory: Path, *, name: str = "witness.example/w1", port: int | None = None) -> None:
        """Nothing runs yet. `directory` is empty or this witness's own."""
        self.name = name
        self.port = port or free_port()
        self.database = directory / "litewitness.db"
        self._directory = directory
        self._key = Ed25519PrivateKey.generate()
        self._agent: Path | None = (
            None  # the folder of the agent's socket: short, because a socket's path must be
        )
        self.process = Process([], log=directory / "litewitness.log", name="litewitness")

    @property
    def url(self) -> str:
        """Its address: what `/add-checkpoint` is appended to."""
        return f"http://{HOST}:{self.port}"

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    @property
    def vkey(self) -> str:
        """Its verifier key, of the kind for cosignatures (0x04)."""
        key = _COSIGNATURE + self.public_key
        key_id = hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]
        return f"{self.name}+{key_id.hex()}+{base64.b64encode(key).decode()}"

    def add_log(self, origin: str, *vkeys: str) -> None:
        """Let it know a log: its origin, and the keys that sign its checkpoints. It must run, or have run."""
        empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
        with closing(sqlite3.connect(self.database, timeout=30)) as database, database:
            database.execute(
                "INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", (origin, empty)
            )
            database.executemany(
                "INSERT INTO key (origin, key) VALUES (?, ?)", [(origin, vkey) for vkey in vkeys]
            )

    def head(self, origin: str) -> tuple[int, bytes]:
        """The size and the root that it has last signed for a log."""
        with closing(sqlite3.connect(self.database, timeout=30)) as database:
            size, root = database.execute(
                "SELECT tree_size, tree_hash FROM log WHERE origin = ?", (origin,)
            ).fetchone()
        return int(size), base64.b64decode(root)

    def add_checkpoint(self, old: int, proof: Sequence[bytes], checkpoint: bytes) -> WitnessAnswer:
        """Ask for a cosignature, as a log does: its old size, the consistency proof from there, the signed note."""
        lines = [f"old {old}", *(base64.b64encode(each).decode() for each in proof), "", ""]
        request = urllib.request.Request(
            f"{self.url}/add-checkpoint", data="\n".join(lines).encode() + checkpoint, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return WitnessAnswer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return WitnessAnswer(error.code, error.read())

    def start(self) -> Self:
        """Start it with its agent, and wait until it accepts connections."""
        self._directory.mkdir(parents=True, exist_ok=True)
        key = self._directory / "key"
        key.touch(mode=0o600)
        key.write_bytes(self._key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        self._forget_agent()
        self._agent = Path(tempfile.mkdtemp(prefix="agent-"))
        socket = self._agent / "s"
        self.process.argv = [
            find_program("ssh-agent", "ssh-agent"), "-a", str(socket),
            find_program("setpriv", "setpriv"), "--pdeathsig", "KILL", "--",
            "sh", "-c", _SCRIPT, "sh", str(key),
            str(cached("bin", "litewitness", tool="litewitness")),
            "-name", self.name, "-db", str(self.database), "-ssh-agent", str(socket),
            "-key", self._fingerprint(), "-listen", f"{HOST}:{self.port}",
        ]  # fmt: skip
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port), what="accepting connections")
        return self

    def _fingerprint(self) -> str:
        """As ssh prints it: SHA256:, then base64 without its padding."""
        line = self._key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def kill(self) -> None:
        """SIGKILL, the agent too."""
        self.process.kill()
        self._forget_agent()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()
        self._forget_agent()

    def _forget_agent(self) -> None:
        if self._agent is not None:
            shutil.rmtree(self._agent, ignore_errors=True)
            self._agent = None
