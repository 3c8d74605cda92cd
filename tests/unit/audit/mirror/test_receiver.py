"""What counts as delivered: an answer with the chunk's own name, and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import msgpack
import pytest
from pydantic import ValidationError

from audit.mirror.errors import ReceiverUnavailable
from audit.mirror.events import gap_event
from audit.mirror.receiver import Receiver, _Sender
from audit.settings import FluentdSettings
from tests.components.ports import HOST, free_port

EVENT = gap_event(bytes(16), 1, 2, 3).packed


@contextmanager
def answering(answer: Callable[[str], bytes | None], times: int = 1) -> Iterator[int]:
    """A port whose connections answer each chunk by its name; with None they are closed."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            for _ in range(times):
                connection, _ = server.accept()
                with connection:
                    unpacker = msgpack.Unpacker()
                    while said := connection.recv(4096):
                        unpacker.feed(said)
                        for _, _, option in unpacker:
                            found = answer(option["chunk"])
                            if found is None:
                                return
                            for place in range(len(found)):
                                connection.sendall(found[place : place + 1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def receiver(port: int, **more: object) -> Receiver:
    """A receiver at that port."""
    return Receiver(FluentdSettings(address=f"{HOST}:{port}", **more))  # type: ignore[arg-type]


def test_an_answer_that_comes_in_pieces_is_one_answer() -> None:
    """Its name is read byte by byte, and the next chunk goes over the same connection."""

    def answer(name: str) -> bytes:
        return bytes(msgpack.packb({"ack": name}))

    with answering(answer) as port, closing(receiver(port)) as target:
        target.deliver("m", [EVENT])
        target.deliver(None, [EVENT] * 100)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: msgpack.packb({"ack": "another"}), "not our chunk"),
        (lambda _: msgpack.packb("fine"), "not our chunk"),
        (lambda _: b"\xc1", "127.0.0.1"),
        (lambda _: None, "closed the connection"),
    ],
)
def test_whatever_else_comes_back_is_no_delivery(answer: Callable[[str], bytes | None], said: str) -> None:
    """Nor is an end of the connection."""
    with (
        answering(answer) as port,
        closing(receiver(port)) as target,
        pytest.raises(ReceiverUnavailable, match=said),
    ):
        target.deliver("m", [EVENT])


def test_a_receiver_that_never_answers_is_left_after_its_time() -> None:
    """The message says how long that was."""
    with (
        answering(lambda _: b"") as port,
        closing(receiver(port, timeout_seconds=0.2)) as target,
        pytest.raises(ReceiverUnavailable, match=r"within 0\.2 s"),
    ):
        target.deliver("m", [EVENT])


def test_nothing_is_held_back_by_the_library_after_a_failure() -> None:
    """fluent-logger would send what failed before the next event, out of our order, and again at its end."""
    port = free_port()
    with closing(receiver(port)) as target:
        with pytest.raises(ReceiverUnavailable, match="refused"):
            target.deliver("m", [EVENT])
        assert target._sender is None


@pytest.mark.parametrize(
    "address", ["localhost", "host:0", "host:70000", "[::1]:24224", "unix://relative", "a b:1"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """fluent-logger speaks IPv4 and sockets alone."""
    with pytest.raises(ValidationError, match="host:port"):
        FluentdSettings(address=address)


def test_payloads_do_not_leave_this_machine_in_the_clear_unless_it_is_said() -> None:
    """A socket and the loopback are this machine; a name is not, whatever it may lead to."""
    for address in ("127.0.0.1:1", "localhost:1", "unix:///run/fluent.sock"):
        FluentdSettings(address=address, payloads=True)
    for address in ("10.0.0.1:1", "fluentd.logging:24224"):
        with pytest.raises(ValidationError, match="plain_network"):
            FluentdSettings(address=address, payloads=True)
        FluentdSettings(address=address, payloads=True, plain_network=True)
        FluentdSettings(address=address)


def test_an_answer_that_is_there_already_is_not_thrown_away() -> None:
    """fluent-logger reads what a receiver says, after each send, and drops it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = _Sender("affiant")
        sender.socket = ours
        theirs.sendall(b"said")
        sender._check_recv_side()
        assert ours.recv(4096) == b"said"
        sender.socket = None


def test_who_is_told_to_end_waits_for_no_answer() -> None:
    """However long its time-out is."""
    with (
        answering(lambda _: b"") as port,
        closing(
            Receiver(FluentdSettings(address=f"{HOST}:{port}", timeout_seconds=300), lambda: True)
        ) as target,
        pytest.raises(ReceiverUnavailable, match="told to end"),
    ):
        target.deliver("m", [EVENT])
