"""The record: all that a check-in leaves behind, in 58 bytes of fixed width.

This table is the privacy boundary. What the wire contributes is numbers and closed enums; there is no
variable-length field, so content has nowhere to go (18 USC 3121(c)). A name is present only as the number of a
row in the court's schedule, never as text.

    offset  field        type   unit and meaning
    0       time_us      i64    microseconds since 1970-01-01 UTC at which accept returned it (or it was read)
    8       src          16 B   source address; IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2)
    24      dst          16 B   destination address, likewise
    40      subject      u32    row of the schedule index (kind domain) or number of the service (kind service)
    44      bytes_in     u32    bytes received when the verdict fell; VOLUME_NONE where the order does not allow it
    48      order        u16    number of the order in the rules that the journal's header names
    50      src_port     u16
    52      dst_port     u16
    54      transport    u8     codes.Transport
    55      application  u8     codes.Application
    56      trust        u8     codes.Trust
    57      kind         u8     codes.Kind

All little-endian, no padding. Which rules `order` and `subject` refer to stands in the journal's header.
"""

import struct
from typing import NamedTuple


class Field(NamedTuple):
    """One field: struct code, numpy type, and its class under the pen/trap statute."""

    name: str
    code: str
    dtype: str
    statute: str


FIELDS = (
    Field("time_us", "q", "<i8", "addressing"),
    Field("src", "16s", "V16", "addressing"),
    Field("dst", "16s", "V16", "addressing"),
    Field("subject", "I", "<u4", "addressing"),
    Field("bytes_in", "I", "<u4", "volume"),
    Field("order", "H", "<u2", "bookkeeping"),
    Field("src_port", "H", "<u2", "addressing"),
    Field("dst_port", "H", "<u2", "addressing"),
    Field("transport", "B", "u1", "signalling"),
    Field("application", "B", "u1", "signalling"),
    Field("trust", "B", "u1", "signalling"),
    Field("kind", "B", "u1", "bookkeeping"),
)

RECORD = struct.Struct("<" + "".join(field.code for field in FIELDS))
RECORD_SIZE = RECORD.size  # 58

VOLUME_NONE = 0xFFFF_FFFF
"""`bytes_in` where the order's fields do not include volume. A real count is clamped one below it."""

IPV4_PREFIX = bytes(10) + b"\xff\xff"
"""The first 12 bytes of an IPv4 address held in 16 (RFC 4291 2.5.5.2)."""
