"""The client's own id of a request: kept, listed beside other records, and so never more than a part of a line."""

from __future__ import annotations

import pytest

from service.errors import Unparseable
from service.protocol.base import MAX_REQUEST_ID, check_request_id


@pytest.mark.parametrize(
    "given", ["", "7f9c2ba4-e88f-4f5b-a1d7-2c1f0a3b9e11", "order 17/é", "漢字", "x" * MAX_REQUEST_ID]
)
def test_what_clients_send_is_kept_as_it_is(given: str) -> None:
    """UUIDs of KServe's clients and of proxies, and any text that can be seen."""
    assert check_request_id(given) == given


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_no_control_character_is_taken(code: int) -> None:
    """Line ends and escapes, and those of Latin-1's upper half: a terminal takes U+009B as an escape."""
    with pytest.raises(Unparseable, match="control character") as raised:
        check_request_id(f"a{chr(code)}b")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("given", [7, None, "x" * (MAX_REQUEST_ID + 1), "é" * MAX_REQUEST_ID, "\ud800"])
def test_what_is_no_such_text_is_refused(given: object) -> None:
    """Bytes count, not characters."""
    with pytest.raises(Unparseable, match="id"):
        check_request_id(given)
