"""Columns of the archive's files.

One row an offset; a column that the entry does not have is null. Numbers of the format reach 2^64, Parquet
readers agree on signed ones: a number above 2^63 - 1, and a time that no reader could show, is null in its
column, and `entry` has it. Times are in microseconds, because Spark reads no nanoseconds; `entry` has those too.
`topic`, `date` and `partition` stand in the folders' names, so no column has these names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import pyarrow as pa

from audit.proof.entry import Key

HASH: Final = pa.binary(32)
LOGGED: Final = pa.timestamp("ms", tz="UTC")
TIME: Final = pa.timestamp("us", tz="UTC")
COUNTS: Final = pa.map_(pa.string(), pa.int64())
TEXTS: Final = pa.map_(pa.string(), pa.string())


class Form(Enum):
    """How a field of an entry becomes a column."""

    NUMBER = "int64"
    TIME = "ns since 1970 UTC, as a timestamp"
    TEXT = "text as it is"
    HEX = "bytes as hex: few values, each many times"
    DIGEST = "sha256:hex"
    BYTES = "bytes as they are"
    TRUE = "true or null"
    WORD = "a number by the name it has, or as digits"
    MAP = "a map"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name and type, the field of the entry that it shows (`path`: inside that field), and how."""

    name: str
    type: pa.DataType
    key: Key
    form: Form
    path: str | int | None = None


COLUMNS: Final = (
    Column("epoch", pa.int64(), Key.EPOCH, Form.NUMBER),
    Column("sequence", pa.int64(), Key.SEQUENCE, Form.NUMBER),
    Column("chain", HASH, Key.CHAIN, Form.BYTES),
    Column("committing", TIME, Key.COMMITTING, Form.TIME),
    Column("arrived", TIME, Key.ARRIVED, Form.TIME),
    Column("service", pa.string(), Key.SERVICE, Form.TEXT),
    Column("digest", pa.string(), Key.DIGEST, Form.DIGEST),
    Column("slot", pa.string(), Key.SLOT, Form.WORD),
    Column("status", pa.int64(), Key.STATUS, Form.NUMBER),
    Column("caller", pa.string(), Key.CALLER, Form.HEX),
    Column("subject", pa.string(), Key.SUBJECT, Form.HEX),
    Column("request_id", pa.string(), Key.REQUEST_ID, Form.TEXT),
    Column("batch_id", pa.int64(), Key.BATCH, Form.NUMBER, 0),
    Column("batch_size", pa.int64(), Key.BATCH, Form.NUMBER, 1),
    Column("batch_position", pa.int64(), Key.BATCH, Form.NUMBER, 2),
    Column("payload_digest", HASH, Key.PAYLOAD_DIGEST, Form.BYTES),
    Column("payload_length", pa.int64(), Key.PAYLOAD_LENGTH, Form.NUMBER),
    Column("suite", pa.int64(), Key.SUITE, Form.NUMBER),
    Column("key_id", pa.string(), Key.KEY_ID, Form.HEX),
    Column("protocol", pa.string(), Key.PROTOCOL, Form.WORD),
    Column("external", pa.bool_(), Key.EXTERNAL, Form.TRUE),
    Column("unknown", pa.int64(), Key.UNKNOWN, Form.NUMBER),
    Column("ticket", pa.int64(), Key.TICKET, Form.NUMBER),
    Column("reason", pa.string(), Key.REASON, Form.TEXT),
    Column("released", pa.int64(), Key.RELEASED, Form.NUMBER),
    Column("public_key", HASH, Key.PUBLIC_KEY, Form.BYTES),
    Column("topic_backend", pa.string(), Key.TOPIC, Form.TEXT, "backend"),
    Column("topic_name", pa.string(), Key.TOPIC, Form.TEXT, "name"),
    Column("topic_id", pa.string(), Key.TOPIC, Form.HEX, "id"),
    Column("topic_partition", pa.int64(), Key.TOPIC, Form.NUMBER, "partition"),
    Column("versions", TEXTS, Key.VERSIONS, Form.MAP),
    Column("device", pa.string(), Key.DEVICE, Form.TEXT),
    Column("threads", pa.int64(), Key.THREADS, Form.NUMBER),
    Column("release", pa.string(), Key.RELEASE, Form.TEXT),
    Column("heartbeat", pa.int64(), Key.HEARTBEAT, Form.NUMBER),
    Column("recovered", COUNTS, Key.RECOVERED, Form.MAP),
    Column("counted", COUNTS, Key.COUNTED, Form.MAP),
    Column("counted_since", TIME, Key.COUNTED_SINCE, Form.TIME),
    Column("signature", pa.binary(64), Key.SIGNATURE, Form.BYTES),
    Column("hole_partition", pa.int64(), Key.PARTITION, Form.NUMBER),
    Column("hole_offset", pa.int64(), Key.OFFSET, Form.NUMBER),
    Column("value_hash", HASH, Key.VALUE_HASH, Form.BYTES),
    Column("shipper", pa.string(), Key.SHIPPER, Form.HEX),
    Column("body_type", pa.string(), Key.BODY_TYPE, Form.TEXT),
    Column("author", HASH, Key.AUTHOR, Form.BYTES),
    Column("target", pa.string(), Key.TARGET, Form.TEXT),
    Column("time", TIME, Key.TIME, Form.TIME),
)

_FIRST: Final = (
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("logged", LOGGED),
    pa.field("kind", pa.string(), nullable=False),
    pa.field("record", pa.string()),
    pa.field("journal", pa.string()),
)
_LAST: Final = (
    pa.field("leaf", HASH, nullable=False),
    pa.field("entry", pa.binary(), nullable=False),
)
ENTRIES: Final = pa.schema([*_FIRST, *(pa.field(each.name, each.type) for each in COLUMNS), *_LAST])
"""`logged`: the log's timestamp, null where the log was gone. `kind`, `slot`, `protocol`: names, or digits of
one that this version does not know. `record`: the record id. `journal`: hex. `leaf`: SHA-256(0x00 ‖ entry)."""

PAYLOADS: Final = pa.schema(
    [
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("payload_digest", HASH, nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)
"""One row for each record that came with its payload; `payload_digest` is the entry's."""

CHECKPOINTS: Final = pa.schema(
    [
        pa.field("size", pa.int64(), nullable=False),
        pa.field("root", HASH, nullable=False),
        pa.field("checkpoint", pa.binary(), nullable=False),
    ]
)
"""Every head that was signed since the file before: the signed note itself, and what its text says."""
