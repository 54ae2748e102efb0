"""ClientHellos made by hand (RFC 8446 4.1.2, RFC 6066 3), and a few by OpenSSL.

By hand, because a load needs thousands a second and needs broken ones; by OpenSSL too, so that not every
hello in a test comes from the same imagination.
"""

import random
import ssl
import struct
from functools import lru_cache

GREASE = (0x0A0A, 0x1A1A, 0x2A2A, 0x3A3A, 0xDADA, 0xFAFA)
CIPHERS = bytes.fromhex("1301130213031303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
GROUPS = bytes.fromhex("000a000800060017001d0018")


def server_name(*names: str) -> bytes:
    """The server_name extension naming each of `names` (more than one is a protocol error)."""
    entries = b"".join(struct.pack("!BH", 0, len(name)) + name.encode() for name in names)
    return struct.pack("!HHH", 0, len(entries) + 2, len(entries)) + entries


def handshake(rng: random.Random, extensions: bytes, grease: bool = False) -> bytes:
    """The ClientHello handshake message around the given extensions."""
    ciphers = CIPHERS
    if grease:
        value = rng.choice(GREASE)
        ciphers = struct.pack("!H", value) + ciphers
        extensions = struct.pack("!HH", value, 0) + extensions + struct.pack("!HHB", rng.choice(GREASE), 1, 0)
    extensions += GROUPS
    body = (
        b"\x03\x03"
        + rng.randbytes(32)
        + b"\x20"
        + rng.randbytes(32)
        + struct.pack("!H", len(ciphers))
        + ciphers
        + b"\x01\x00"
        + struct.pack("!H", len(extensions))
        + extensions
    )
    return b"\x01" + len(body).to_bytes(3, "big") + body


def records(message: bytes, size: int = 16384) -> bytes:
    """The message in TLS records of at most `size` bytes."""
    pieces = (message[i : i + size] for i in range(0, len(message), size))
    return b"".join(b"\x16\x03\x01" + struct.pack("!H", len(piece)) + piece for piece in pieces)


@lru_cache(maxsize=512)
def openssl_hello(name: str) -> bytes:
    """What this Python's OpenSSL sends first when it connects to `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a peer cannot end")
