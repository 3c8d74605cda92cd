"""The container of a bundle: ZIP in one form, bounded before it is inflated."""

from __future__ import annotations

import io
import zipfile
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proof import members
from audit.proof.errors import FormatError
from audit.proof.members import Members, encode_members

CONTENT = {"a": b"", "b/c.txt": b"text " * 100, "b/d": bytes(range(256)), "z_9-1.json": b"{}"}
RAW = encode_members(CONTENT)


def test_members_come_back_as_they_were_put_in() -> None:
    """Stored or deflated; and the same members give the same bytes, whatever their order."""
    assert dict(Members(RAW)) == CONTENT
    assert encode_members(dict(reversed(CONTENT.items()))) == RAW
    assert dict(Members(encode_members({}))) == {}


def test_any_program_opens_it() -> None:
    """Python's zipfile, for one; all times are the same."""
    with zipfile.ZipFile(io.BytesIO(RAW)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENT
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "a/",
        "../a",
        "a/../b",
        "a//b",
        ".a",
        "a/.b",
        "a\\b",
        "C:a",
        "a b",
        "ä",
        "a\0",
        "a" * 201,
        "a\n",
    ],
)
def test_a_name_that_leaves_the_container_is_refused(name: str) -> None:
    """Neither written nor read: no way up, no hidden file, nothing but plain ASCII."""
    with pytest.raises(FormatError):
        encode_members({name: b""})
    if name and len(name) <= members.MAX_NAME:
        whole = encode_members({"x" * len(name.encode()): b"1"})
        with pytest.raises(FormatError):
            Members(whole.replace(b"x" * len(name.encode()), name.encode()))


def by_zipfile(content: dict[str, bytes], **options: object) -> bytes:
    """As another program writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:  # type: ignore[arg-type]
        for name, each in content.items():
            archive.writestr(name, each)
    return out.getvalue()


def test_another_programs_zip_is_refused() -> None:
    """Times, modes, comments, order: what is not fixed is free, and what is free can carry something."""
    with pytest.raises(FormatError):
        Members(by_zipfile({"a": b"x"}))
    with pytest.raises(FormatError):
        Members(by_zipfile({"a": b"x" * 100}, compression=zipfile.ZIP_DEFLATED))


def test_no_changed_byte_says_anything_else() -> None:
    """Each changed bit, missing byte and surplus one is refused; or a deflater's own, and the content is the same."""
    free = 0
    for at in range(len(RAW)):
        for bit in (0x01, 0x80):
            try:
                assert dict(Members(RAW[:at] + bytes((RAW[at] ^ bit,)) + RAW[at + 1 :])) == CONTENT
                free += 1
            except FormatError:
                pass
        with pytest.raises(FormatError):
            dict(Members(RAW[:at] + RAW[at + 1 :]))
        with pytest.raises(FormatError):
            dict(Members(RAW[:at] + b"\0" + RAW[at:]))
    assert free <= 2  # bits after the end of a deflated member's last block
    for wrong in (RAW + b"\0", b"\0" + RAW, RAW[:-1], RAW * 2, b"", b"PK"):
        with pytest.raises(FormatError):
            Members(wrong)


def two(first: str, second: str) -> bytes:
    """Two members of any names, well-formed otherwise."""
    parts = []
    for name in (first, second):
        header = members._Header(name, 0, zlib.crc32(b"x"), 1, 1)
        parts.append((header, header.local() + b"x"))
    at, directory = 0, b""
    for header, body in parts:
        directory += header.central(at)
        at += len(body)
    return b"".join(body for _, body in parts) + directory + members._end(2, len(directory), at)


def test_duplicates_and_disorder_are_refused() -> None:
    """Two readers would see two contents."""
    assert set(Members(two("a", "b"))) == {"a", "b"}
    for first, second in (("a", "a"), ("b", "a")):
        with pytest.raises(FormatError, match="two members of one name"):
            Members(two(first, second))


def one(method: int, body: bytes, size: int, checksum: int) -> bytes:
    """A member whose header may lie."""
    header = members._Header("a", method, checksum, len(body), size)
    local, central = header.local(), header.central(0)
    return local + body + central + members._end(1, len(central), len(local) + len(body))


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    """By what the header says; and a header that says less is refused after that many bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(bytes(50 << 20)) + packer.flush()
    with pytest.raises(FormatError, match="too large"):
        Members(one(8, body, members.MAX_MEMBER + 1, 0))
    lying = Members(one(8, body, 10, zlib.crc32(bytes(10))))
    with pytest.raises(FormatError, match="does not end where"):
        lying["a"]
    many = one(0, b"", 0, 0)[: -members._END.size] + members._end(members.MAX_MEMBERS + 1, 47, 31)
    with pytest.raises(FormatError):
        Members(many)


def test_what_unpacks_to_very_much_more_is_stored() -> None:
    """So a file of a megabyte cannot take a gigabyte; the writer knows it, and small members are no exception."""
    for size in (10_000, 1 << 20):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = packer.compress(bytes(size)) + packer.flush()
        assert size > members.MAX_RATIO * len(body)
        with pytest.raises(FormatError, match="a unpacks to over 256 times"):
            Members(one(8, body, size, zlib.crc32(bytes(size))))
        written = encode_members({"a": bytes(size)})
        assert len(written) > size
        assert dict(Members(written)) == {"a": bytes(size)}


def test_bytes_between_the_members_and_the_directory_are_refused() -> None:
    """Everything else is in order; nobody would look at them."""
    header = members._Header("a", 0, zlib.crc32(b"x"), 1, 1)
    body, central = header.local() + b"x", header.central(0)
    for gap in (b"", b"hidden"):
        raw = body + gap + central + members._end(1, len(central), len(body + gap))
        if not gap:
            assert dict(Members(raw)) == {"a": b"x"}
            continue
        with pytest.raises(FormatError, match="belong to no member"):
            Members(raw)


def test_what_is_packed_otherwise_is_refused() -> None:
    """Other methods, surplus behind the deflated end, a stored size that is another."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(b"hello" * 9) + packer.flush()
    crc = zlib.crc32(b"hello" * 9)
    assert Members(one(8, body, 45, crc))["a"] == b"hello" * 9
    for method, packed, size in (
        (8, body + b"x", 45),
        (8, body[:-1], 45),
        (8, body, 44),
        (8, body, 46),
        (8, b"\xff" * 9, 45),
    ):
        with pytest.raises(FormatError):
            Members(one(method, packed, size, crc))["a"]
    for method in (1, 9, 12, 14, 99):
        with pytest.raises(FormatError, match="neither stored nor deflated"):
            Members(one(method, body, 45, crc))
    with pytest.raises(FormatError, match="neither stored nor deflated"):
        Members(one(0, body, 45, crc))


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Za-z0-9_]{1,8}(/[a-z]{1,3})?\Z"), st.binary(max_size=300), max_size=6
    )
)
def test_every_set_of_members_survives(content: dict[str, bytes]) -> None:
    """Written and read, and by zipfile as well."""
    raw = encode_members(content)
    assert dict(Members(raw)) == content
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.namelist() == sorted(content)


@given(st.binary(max_size=200), st.integers(0, len(RAW)))
def test_hostile_bytes_raise_format_errors_and_nothing_else(junk: bytes, at: int) -> None:
    """Alone, and in the middle."""
    for raw in (junk, RAW[:at] + junk + RAW[at:], RAW[:at] + junk + RAW[at + len(junk) :], junk + RAW[-22:]):
        with suppress(FormatError):
            dict(Members(raw))
