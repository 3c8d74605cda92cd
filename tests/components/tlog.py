"""Programs that others wrote for transparency logs: what they make, and what they say of what we make.

- `fsck`: Tessera's checker of a whole log in tlog-tiles, in a folder or over HTTP (`http_folder` serves one);
- `posix_oneshot`: Tessera's writer of such a log;
- `spicy_verify`, `SpicyLog`: torchwood's checker and writer of inclusion proofs;
- `TlogCheck`: golang.org/x/mod/sumdb/{note,tlog}, thousands of questions to one process.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.components.cache import cached
from tests.components.notes import NoteKey
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import ComponentError, Process

TILE_WIDTH = 256
_SAYS_GOOD = re.compile(r"Successfully fsck'd log with size (\d+) and root (\S+) ")


class Verdict(NamedTuple):
    """What a checker said of what it was given."""

    ok: bool
    said: str
    """Its messages, for the test's own and to see that it refused for the right reason."""
    size: int = -1
    """fsck, when ok: the size of the log that it checked (a log that was rolled back checks well)."""

    def __bool__(self) -> bool:
        """A verdict in an `assert` or an `if` is its `ok`."""
        return self.ok


# ---------------------------------------------------------------- Tessera


def fsck(log: Path | str, vkey: str, *, origin: str | None = None, timeout_s: float = 60) -> Verdict:
    """Tessera's fsck: every entry hashed, every tile and the root computed again and compared.

    Its exit status is 0 whatever it found, so what counts is the line that says success. When it has found more
    wrong tiles than it has workers it waits for ever: that is a refusal too, by the time-out. It takes surplus
    entries in a full bundle, and looks at no file that a log of that size does not need.

    Args:
        log: the log's folder, or the http address of it.
        vkey: the log's verifier key.
        origin: the checkpoint's first line, when it is not the key's name.
        timeout_s: after this it is stopped, and the verdict is not ok.
    """
    if isinstance(log, Path):
        log = log.absolute().as_uri()
    with tempfile.NamedTemporaryFile("w", suffix=".vkey") as key:
        key.write(vkey)
        key.flush()
        argv: list[str | Path] = [
            cached("bin", "fsck", tool="fsck"), "-ui=false", "-N=16",
            f"-storage_url={log.rstrip('/')}/", f"-public_key={key.name}",
        ]  # fmt: skip
        if origin is not None:
            argv.append(f"-origin={origin}")
        status, said = _run(argv, timeout_s=timeout_s)
    found = _SAYS_GOOD.search(said)
    # A tile that differs is printed whole, twice.
    said = re.sub(r"([0-9a-f]{64})[0-9a-f]{64,}", r"\1…", said)
    if status == 0 and found:
        return Verdict(True, said, int(found[1]))
    return Verdict(False, said)


def posix_oneshot(
    entries: Iterable[bytes], key: NoteKey, directory: Path, *, timeout_s: float = 120
) -> Mapping[str, bytes]:
    """Let Tessera write (or go on writing) the log of these entries in `directory`; the files of that log.

    The files by their paths from `directory`: the checkpoint and the tiles that a log of its size has. A slow run
    seals in several steps and leaves partial tiles of the sizes between, and Tessera has its own state beside them:
    these are left out, so that the mapping is the same in each run. 70,000 entries take a few seconds.

    Raises:
        ComponentError: it failed.
    """
    with tempfile.TemporaryDirectory() as name:
        for index, entry in enumerate(entries):
            (Path(name) / f"{index:09d}").write_bytes(entry)
        status, said = _run(
            [
                cached("bin", "posix-oneshot", tool="posix-oneshot"),
                f"--storage_dir={directory}",
                f"--entries={name}/*",
            ],
            timeout_s=timeout_s,
            env={"LOG_PRIVATE_KEY": key.skey},
        )
    if status != 0:
        raise ComponentError(f"posix-oneshot ended with {status}\n{said[-4000:]}")
    return log_files(directory)


def log_files(directory: Path) -> dict[str, bytes]:
    """The checkpoint, and the files that a log of its size must have, by their paths; others are not looked at."""
    checkpoint = (directory / "checkpoint").read_bytes()
    size = int(checkpoint.split(b"\n")[1])
    found = {path: (directory / path).read_bytes() for path in tile_paths(size)}
    return {"checkpoint": checkpoint, **found}


def tile_paths(size: int) -> list[str]:
    """The paths of the tiles of a log of `size` entries, by C2SP tlog-tiles."""
    paths: list[str] = []
    level, count = 0, size
    while count:
        full, partial = divmod(count, TILE_WIDTH)
        names = [_tile_name(index) for index in range(full)]
        if partial:
            names.append(f"{_tile_name(full)}.p/{partial}")
        kinds = [str(level), "entries"] if level == 0 else [str(level)]
        paths += [f"tile/{kind}/{name}" for kind in kinds for name in names]
        level, count = level + 1, full
    return paths


def _tile_name(index: int) -> str:
    name = f"{index % 1000:03d}"
    while index := index // 1000:
        name = f"x{index % 1000:03d}/{name}"
    return name


@contextmanager
def http_folder(directory: Path, log: Path) -> Iterator[str]:
    """Serve a folder over HTTP on the loopback, as a log's monitors fetch it; its address. `log` is the server's."""
    port = free_port()
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "http.server",
        # Connections are kept: its queue of five would let some of a client's sixteen wait for many seconds.
        "--protocol",
        "HTTP/1.1",
        str(port),
        "--bind",
        HOST,
        "--directory",
        directory,
    ]
    with Process(argv, log=log, name="http.server") as process:
        process.wait_until(lambda: accepts(port), what="accepting connections")
        yield f"http://{HOST}:{port}"


# ---------------------------------------------------------------- torchwood's spicy


def spicy_verify(entry: bytes, proof: bytes, vkey: str, *, timeout_s: float = 30) -> Verdict:
    """Ask torchwood's `spicy` v0.9.0 whether `proof` proves that `entry` is in the log.

    What that version of the program reads is an older form of C2SP tlog-proof, without its first line: the file
    begins with `index N`, then come the hashes in base64, one a line, an empty line, and the checkpoint. It takes
    neither the header `c2sp.org/tlog-proof@v1` nor a line `extra …` (torchwood's library writes and reads these;
    its program does not use it). `spicy_proof` makes the older form of the newer.

    It wants the checkpoint's origin to be the key's name. Other signatures in the checkpoint are no matter to it.
    """
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "entry"
        file.write_bytes(entry)
        file.with_name("entry.spicy").write_bytes(proof)
        status, said = _run(
            [cached("bin", "spicy", tool="spicy"), "-verify", vkey, file], timeout_s=timeout_s
        )
    return Verdict(status == 0 and "verified" in said, said)


def spicy_proof(receipt: bytes) -> bytes:
    """A `c2sp.org/tlog-proof@v1` file as the older form that `spicy_verify` takes.

    Raises:
        ValueError: it does not begin as such a file does.
    """
    header, _, rest = receipt.partition(b"\n")
    if header != b"c2sp.org/tlog-proof@v1":
        raise ValueError(f"not a tlog-proof: {header[:40]!r}")
    if rest.startswith(b"extra "):
        rest = rest.partition(b"\n")[2]
    if not rest.startswith(b"index "):
        raise ValueError("no index")
    return rest


class SpicyLog:
    """A log that `spicy` itself keeps in `directory`."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make it, empty."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._options = ["-assets", str(directory), "-key", str(directory / "key")]
        said = self._spicy("-init", name)
        found = re.search(r"Public key: (\S+)", said)
        if found is None:
            raise ComponentError(f"spicy -init named no key\n{said}")
        self.vkey = found[1]

    def add(self, *entries: bytes) -> list[bytes]:
        """Add entries together; the proof of each."""
        with tempfile.TemporaryDirectory() as name:
            files = [Path(name) / str(index) for index in range(len(entries))]
            for file, entry in zip(files, entries, strict=True):
                file.write_bytes(entry)
            self._spicy(*map(str, files))
            return [file.with_name(file.name + ".spicy").read_bytes() for file in files]

    def _spicy(self, *arguments: str) -> str:
        status, said = _run([cached("bin", "spicy", tool="spicy"), *self._options, *arguments], timeout_s=30)
        if status != 0:
            raise ComponentError(f"spicy ended with {status}\n{said}")
        return said


# ---------------------------------------------------------------- golang.org/x/mod/sumdb


class NoteVerdict(NamedTuple):
    """What note.Open said: the text and whose signatures it verified, when ok."""

    ok: bool
    said: str
    text: str = ""
    verified: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """A verdict in an `assert` or an `if` is its `ok`."""
        return self.ok


class TlogCheck:
    """Questions to golang.org/x/mod/sumdb/{note,tlog}, collected and answered by one process.

        checks = TlogCheck()
        checks.record(proof, size, root, index, leaf)
        checks.tree(proof, size, root, old_size, old_root)
        verdicts = checks.answers()                    # in the order of the questions; the questions are gone

    Hashes are 32 bytes; another length in a question is an error of the test (ComponentError).
    """

    def __init__(self) -> None:
        """No question yet."""
        self._requests: list[dict[str, Any]] = []

    def record(self, proof: Sequence[bytes], size: int, root: bytes, index: int, leaf: bytes) -> None:
        """tlog.CheckRecord: the leaf's hash stands at `index` in the tree."""
        self._ask(
            {"check": "record", "proof": proof, "size": size, "root": root, "index": index, "leaf": leaf}
        )

    def tree(self, proof: Sequence[bytes], size: int, root: bytes, old_size: int, old_root: bytes) -> None:
        """tlog.CheckTree: the old tree is the beginning of the tree."""
        self._ask(
            {
                "check": "tree", "proof": proof, "size": size, "root": root,
                "old_size": old_size, "old_root": old_root,
            }
        )  # fmt: skip

    def answers(self, *, timeout_s: float = 120) -> list[Verdict]:
        """Ask all, and forget them.

        Raises:
            ComponentError: a question was not understood, or there was no answer.
        """
        requests, self._requests = self._requests, []
        return [Verdict(answer["ok"], answer.get("error", "")) for answer in _tlogcheck(requests, timeout_s)]

    @staticmethod
    def note(note: bytes, *vkeys: str) -> NoteVerdict:
        """note.Open: at least one of the keys has signed, and no known key's signature is wrong.

        It knows Ed25519 signatures (0x01), and not the cosignatures of witnesses (0x04): lines of keys that were
        not given are left aside.
        """
        request = {"check": "note", "note": note, "vkeys": list(vkeys)}
        answer = _tlogcheck([_encoded(request)], 30)[0]
        text = base64.b64decode(answer.get("text", "")).decode()
        return NoteVerdict(answer["ok"], answer.get("error", ""), text, tuple(answer.get("verified", ())))

    def _ask(self, request: dict[str, Any]) -> None:
        self._requests.append(_encoded(request))


def _encoded(request: Mapping[str, Any]) -> dict[str, Any]:
    def text(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, (list, tuple)):
            return [text(item) for item in value]
        return value

    return {name: text(value) for name, value in request.items()}


def _tlogcheck(requests: Sequence[Mapping[str, Any]], timeout_s: float) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    try:
        result = subprocess.run(
            [cached("bin", "tlogcheck", tool="tlogcheck")],
            input=lines,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ComponentError(f"tlogcheck: no answer within {timeout_s:g} s") from None
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    if result.returncode != 0 or len(answers) != len(requests):
        raise ComponentError(
            f"tlogcheck ended with {result.returncode} after {len(answers)} of {len(requests)} answers\n"
            f"{result.stderr}"
        )
    return answers


def _run(
    argv: Sequence[str | Path], *, timeout_s: float, env: Mapping[str, str] | None = None
) -> tuple[int | None, str]:
    """The exit status (None: it had to be stopped) and all that was said."""
    try:
        result = subprocess.run(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode(errors="replace")
        return None, f"{said}\nstopped after {timeout_s:g} s"
    return result.returncode, result.stdout.decode(errors="replace")
