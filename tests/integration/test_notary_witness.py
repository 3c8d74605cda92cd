"""A real witness (torchwood's litewitness) beside the notary, and hostile ones."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.errors import ConfigError, WitnessContradicts, WitnessUnavailable
from audit.notary.seal import Seal
from audit.notary.witness import MAX_ANSWER, Witness
from audit.objects.directory import DirectoryObjects
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import LeafNodes, root
from audit.proof.note import VerifierKey
from audit.sealed import SealedTree
from tests.components.witness import Litewitness
from tests.fault.notary.world import TREE, StrictWitness, TestKey, entries

SIGNER = TestKey()
KEY = TREE.key(SIGNER.public_key)


class Clock:
    """Seconds, by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Notary:
    """Opens the tree of a directory again and again."""

    def __init__(self, directory: Path, witness: Litewitness | None) -> None:
        self.objects = DirectoryObjects(directory)
        self.clock = Clock()
        self.witness = witness and client(witness, self.clock)

    def grow(self, end: int, log: str = "log", quorum: int = 1) -> int:
        """Seal up to `end`; how much is published then."""
        cosigners = [self.witness] if self.witness else []
        seal = Seal(self.objects, TREE, SIGNER, cosigners=cosigners, quorum=min(quorum, len(cosigners)))
        try:
            seal.append(entries(seal.size, end, log))
            return seal.seal().published
        finally:
            seal.close()


def client(witness: Litewitness, clock: Clock | None = None, **options: float) -> Witness:
    return Witness(witness.url, VerifierKey.parse(witness.vkey), clock=clock or Clock(), **options)


@pytest.fixture
def witness(litewitness: Litewitness) -> Litewitness:
    """It knows our log."""
    litewitness.add_log(KEY.name, str(KEY))
    return litewitness


def test_a_real_witness_vouches_for_each_head(tmp_path: Path, witness: Litewitness) -> None:
    """From the empty tree on, over starts, the same size again included; anybody can check the published one."""
    notary = Notary(tmp_path / "sealed", witness)
    for end in (0, 1, 255, 256, 257, 257, 700):
        assert notary.grow(end) == end
        if end % 2:
            notary = Notary(tmp_path / "sealed", witness)  # a new process, which does not know what it knows
        tree = SealedTree(notary.objects, TREE, SIGNER.public_key, [VerifierKey.parse(witness.vkey)], 1)
        published = tree.published()
        assert [each.key.name for each in published.opened.cosignatures] == [witness.name]
        assert witness.head(KEY.name) == (end, published.opened.checkpoint.root)


def test_a_state_from_an_old_backup_is_refused_by_a_real_witness(
    tmp_path: Path, witness: Litewitness
) -> None:
    """The whole store is old, and nothing in it shows it."""
    old, current = Notary(tmp_path / "old", None), Notary(tmp_path / "current", witness)
    old.grow(300)
    current.grow(300)
    current.grow(400)
    old = Notary(tmp_path / "old", witness)
    with pytest.raises(WitnessContradicts, match="vouches for 400 leaves, and this notary knows 350"):
        old.grow(350)
    assert witness.head(KEY.name)[0] == 400


def test_a_fork_is_refused_by_a_real_witness(tmp_path: Path, witness: Litewitness) -> None:
    """Another tree under the valid key: of the same size, and of a larger one."""
    Notary(tmp_path / "log", witness).grow(300)
    for number, end in enumerate((300, 301, 513)):
        fork = Notary(tmp_path / f"fork{number}", witness)
        with pytest.raises(WitnessContradicts, match="forked"):
            fork.grow(end, "other")
    assert witness.head(KEY.name)[0] == 300
    assert Notary(tmp_path / "log", witness).grow(301) == 301


def test_a_witness_that_does_not_know_us_vouches_for_nothing(
    tmp_path: Path, litewitness: Litewitness
) -> None:
    """Of another log, or of another key: said, and nothing is published without it."""
    notary = Notary(tmp_path / "sealed", litewitness)
    assert notary.grow(10) == 0
    with pytest.raises(WitnessUnavailable, match="does not know this log"):
        notary.witness.cosign(Checkpoint(KEY.name, 0, bytes(32)), b"", LeafNodes([]))
    other = VerifierKey(KEY.name, TestKey(bytes(32)).public_key)
    litewitness.add_log(KEY.name, str(other))
    notary.clock.now += 100
    assert notary.grow(20) == 0
    with pytest.raises(WitnessUnavailable, match="does not know the key"):
        notary.witness.cosign(Checkpoint(KEY.name, 0, bytes(32)), b"", LeafNodes([]))


def test_sealing_goes_on_without_its_witness(tmp_path: Path, witness: Litewitness) -> None:
    """It is killed: heads are sealed, none is published; it comes back, and the next one is. It is asked less."""
    notary = Notary(tmp_path / "sealed", witness)
    assert notary.grow(100) == 100
    witness.kill()
    assert notary.grow(200) == 100
    assert notary.grow(200, quorum=0) == 200
    witness.start()
    assert notary.grow(300) == 200  # not asked: the pause is not over
    notary.clock.now += 1.5
    assert notary.grow(301) == 301
    assert witness.head(KEY.name)[0] == 301


# ---------------------------------------------------------------- hostile ones


@contextmanager
def answering(*answers: bytes, then: Callable[[socket.socket], None] | None = None) -> Iterator[str]:
    """A server that answers one request after the other with these bytes, whatever was asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    heard = b""
                    while b"\r\n\r\n" not in heard or b"\n\n" not in heard.partition(b"\r\n\r\n")[2]:
                        heard += connection.recv(65_536)
                    connection.sendall(answer)
                    if then:
                        then(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)) + body


LEAVES = [leaf_hash(each) for each in entries(0, 100)]
NODES = LeafNodes(LEAVES)
HEAD = Checkpoint(KEY.name, 100, root(NODES, 100))
NOTE = sign_checkpoint(HEAD, SIGNER)


def ask(url: str, timeout: float = 5.0) -> object:
    """What a witness at this address comes to; its key is that of the strict witness."""
    witness = Witness(url, StrictWitness("w").key, timeout=timeout)
    try:
        return witness.cosign(HEAD, NOTE, NODES)
    finally:
        witness.close()


def line(name: str = "w", checkpoint: Checkpoint = HEAD) -> bytes:
    signature = StrictWitness(name).cosign(checkpoint, b"", LeafNodes(LEAVES))
    return f"— {name} {base64.b64encode(signature.key_id + signature.value).decode()}\n".encode()


def test_the_line_of_the_key_that_we_know_is_taken() -> None:
    """Among others."""
    with answering(http(200, line("x") + line("w") + line("y"))) as url:
        assert ask(url) == StrictWitness("w").cosign(HEAD, b"", NODES)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "malformed"),
        (b"ok\n", "malformed"),
        (line("x"), "no signature of w"),
        (line("w")[:-9] + b"AAAAAAA=\n", "w"),
        (line("w") + b"\xff", "utf-8"),
        (b"x" * (MAX_ANSWER + 1), "over 65536 bytes"),
    ],
    ids=["empty", "no line", "another key", "changed", "not text", "endless"],
)
def test_an_answer_that_is_no_cosignature_is_none(body: bytes, told: str) -> None:
    """Whatever it is, the notary goes on without it."""
    with answering(http(200, body)) as url, pytest.raises(WitnessUnavailable, match=told):
        ask(url)


def test_a_cosignature_of_another_head_is_none() -> None:
    """Well-formed, by the right key, over something else."""
    nodes = LeafNodes(LEAVES[:99])
    other = line("w", Checkpoint(HEAD.origin, 99, root(nodes, 99)))
    with answering(http(200, other)) as url, pytest.raises(WitnessUnavailable, match="does not hold"):
        ask(url)


@pytest.mark.parametrize(
    "answers",
    [
        [http(409, b"40\n")] * 4,
        [http(409, b"")],
        [http(409, b"-1\n")],
        [http(409, b"0x10\n")],
        [http(409, b"9" * 30)],
        [http(500, b"")],
        [http(301, b"")],
        [http(429, b"")],
        [http(400, b"")],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort"],
        [b"nonsense\r\n\r\n"],
        [b""],
        [b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n"],
    ],
)
def test_other_answers_are_no_cosignature(answers: list[bytes]) -> None:
    """Conflicts without end or size, errors, redirections, half answers."""
    with answering(*answers) as url, pytest.raises(WitnessUnavailable, match="witness w"):
        ask(url)


def test_a_witness_that_never_ends_is_left(tmp_path: Path) -> None:
    """A byte now and then keeps nobody: the time is for the whole request."""

    def drip(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"a")
                threading.Event().wait(0.02)
        except OSError:
            return

    with answering(b"HTTP/1.1 200 OK\r\n", then=drip) as url, pytest.raises(WitnessUnavailable):
        ask(url, timeout=0.3)


def test_a_witness_that_is_not_there_is_unavailable() -> None:
    """Refused, silence, no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(WitnessUnavailable, match=r"timed out|closed"):
            ask(f"http://127.0.0.1:{port}", timeout=0.2)
    for url in (f"http://127.0.0.1:{port}", "https://127.0.0.1:1/x/"):
        with pytest.raises(WitnessUnavailable, match=url):
            ask(url)


def test_a_larger_size_or_a_wrong_proof_is_told_and_proves_nothing() -> None:
    """It says that it has seen more, or something else: another error than that of one that is absent."""
    for status, body in ((409, b"101\n"), (422, b"")):
        with answering(http(status, body)) as url, pytest.raises(WitnessContradicts, match=KEY.name):
            ask(url)
    # Asked from 100, it says 100 again: another tree of that size.
    with (
        answering(http(409, b"100\n"), http(409, b"100\n")) as url,
        pytest.raises(WitnessContradicts, match="forked"),
    ):
        ask(url)


def test_what_is_no_witness_is_refused_at_the_start() -> None:
    """Another scheme, a query, a key that signs no cosignatures."""
    key = StrictWitness("w").key
    for url in ("ftp://w", "http://", "http://w/?x=1", "w"):
        with pytest.raises(ConfigError):
            Witness(url, key)
    with pytest.raises(ConfigError, match="0x04"):
        Witness("http://w", VerifierKey("w", key.public_key))
