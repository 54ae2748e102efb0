"""Signed notes: the published examples verify, and whatever is not one is a NoteError, never anything else."""

import base64
import contextlib

import pytest
from audit_world import PETER, PETER_LINE, PETER_TEXT, key_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.audit.note import (
    NOTE_MAX,
    Checkpoint,
    NoteError,
    Verifier,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    sign,
)

PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
"""The published private key: its first byte is the algorithm."""
ENOCH = Verifier.parse("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
ENOCH_LINE = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
NOTE = f"{PETER_TEXT}\n{PETER_LINE}".encode()
WRONG_ID = PETER_LINE.replace("x08g", "xxxx")


def test_the_published_note_is_signed_byte_for_byte():
    """The example of golang.org/x/mod/sumdb/note: the published seed gives the published note."""
    private = Ed25519PrivateKey.from_private_bytes(PETER_SEED)
    assert sign(PETER_TEXT, "PeterNeumann", private) == NOTE


def test_the_published_keys():
    """Name, id and key are read from the text, and give the text again; white space around it is let pass."""
    assert PETER.name == "PeterNeumann"
    assert PETER.key_id.hex() == "c74f20a3"
    assert PETER.text == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert Verifier.parse(f"{PETER.text}\n") == PETER


def test_no_mangled_key_is_taken():
    """Every part of the key's text, and every letter of it raised by one, is refused; so are other lengths and algorithms."""
    text = PETER.text
    for first in range(len(text)):
        for end in range(first, len(text) + 1):
            if (first, end) != (0, len(text)):
                with pytest.raises(NoteError):
                    Verifier.parse(text[first:end])
    for place, letter in enumerate(text):
        with pytest.raises(NoteError):
            Verifier.parse(text[:place] + chr(ord(letter) + 1) + text[place + 1 :])
    for other in (
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER.text.replace("c74f20a3", "C74F20A3"),
        "",
        "++",
        "ü" * 80,
        f"{PETER.text}ü",
    ):
        with pytest.raises(NoteError, match="verifier key"):
            Verifier.parse(other)
    spaced = Verifier("two words", PETER.public)
    with pytest.raises(NoteError, match="is not <name>"):
        Verifier.parse(spaced.text)


def test_signatures_of_others_are_passed_over():
    """One of several signatures is enough, in any order, doubled or beside one with another id."""
    both = f"{PETER_TEXT}\n{PETER_LINE}{ENOCH_LINE}".encode()
    assert open_note(both, PETER) == open_note(both, ENOCH) == PETER_TEXT
    for lines in (
        ENOCH_LINE + PETER_LINE,
        PETER_LINE * 2,
        WRONG_ID + PETER_LINE,
        PETER_LINE + WRONG_ID,
        PETER_LINE.replace("PeterNeumann", "CarmenSandiego") + PETER_LINE,
    ):
        assert open_note(f"{PETER_TEXT}\n{lines}".encode(), PETER) == PETER_TEXT


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (b"", "without signatures"),
        (b"\n", "without signatures"),
        (PETER_TEXT.encode(), "without signatures"),
        (f"{PETER_TEXT}\n".encode(), "without signatures"),
        (NOTE[:-1], "without signatures"),
        (PETER_TEXT.encode() + PETER_LINE.encode(), "without signatures"),
        (b"\x01" + NOTE, "control characters"),
        (b"\x1f" + NOTE, "control characters"),
        (NOTE.replace(b"\n\n", b"\n\t\n\n"), "control characters"),
        (b"\xff" + NOTE, "not UTF-8"),
        (NOTE + b"Unexpected line.\n", "signature line"),
        (NOTE.replace("— ".encode(), b"- "), "signature line"),
        (NOTE.replace("— ".encode(), "—".encode()), "signature line"),
        (NOTE.replace(b"PeterNeumann", b"Peter+Neumann"), "signature line"),
        (NOTE.replace(b"PeterNeumann ", b" "), "signature line"),
        (f"{PETER_TEXT}\n— PeterNeumann \n".encode(), "signature line"),
        (f"{PETER_TEXT}\n— PeterNeumann\n".encode(), "signature line"),
        (NOTE.replace(b"PeterNeumann x", b"Bad Name x"), "a signature is not base64"),
        (NOTE.replace(b"AM=\n", b"AM\n"), "a signature is not base64"),
        (NOTE.replace(b"AM=\n", b"AN=\n"), "one form"),
        (f"{PETER_TEXT}\n— PeterNeumann x08gow==\n".encode(), "too short"),
        (f"{PETER_TEXT}\n— PeterNeumann x08goww=\n".encode(), "does not verify"),
        (f"{PETER_TEXT}\n{PETER_LINE[:60]}ABCD{PETER_LINE[60:]}".encode(), "does not verify"),
        (b"A" + NOTE, "does not verify"),
        (f"{PETER_TEXT}\n{PETER_LINE}".replace("answer", "anSwer").encode(), "does not verify"),
        (f"{PETER_TEXT}\n{PETER_LINE}".encode() + PETER_LINE.replace("ZJ", "ZK").encode(), "does not verify"),
        (f"{PETER_TEXT}\n{ENOCH_LINE}".encode(), "no signature by the key"),
        (f"{PETER_TEXT}\n{WRONG_ID}".encode(), "no signature by the key"),
        (NOTE.replace(b"PeterNeumann", b"CarmenSandiego"), "no signature by the key"),
    ],
)
def test_what_is_no_signed_note(note, words):
    """Each malformed or wrongly signed note is refused, and the text names the place."""
    with pytest.raises(NoteError, match=words):
        open_note(note, PETER)


def test_a_note_may_have_16384_bytes():
    """The limit itself is read, one byte more is not."""
    private = Ed25519PrivateKey.from_private_bytes(PETER_SEED)
    room = NOTE_MAX - len(sign("\n", "PeterNeumann", private))
    text = "a" * room + "\n"
    note = sign(text, "PeterNeumann", private)
    assert len(note) == NOTE_MAX == 16_384
    assert open_note(note, PETER) == text
    longer = sign("a" + text, "PeterNeumann", private)
    with pytest.raises(NoteError, match="a note of 16385 bytes, expected at most 16384"):
        open_note(longer, PETER)


def test_an_empty_line_in_the_text_stays_in_it():
    """The last empty line divides, not the first."""
    private = Ed25519PrivateKey.from_private_bytes(PETER_SEED)
    assert open_note(sign("one\n\ntwo\n", "PeterNeumann", private), PETER) == "one\n\ntwo\n"


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 255))
@settings(max_examples=400, deadline=None)
def test_no_changed_byte_verifies(place, value):
    """Any byte of a signed note changed: NoteError."""
    changed = NOTE[:place] + bytes([value]) + NOTE[place + 1 :]
    if changed != NOTE:
        with pytest.raises(NoteError):
            open_note(changed, PETER)


PIECES = st.sampled_from(
    [
        "\n",
        "\n\n",
        "— ",
        " ",
        "PeterNeumann",
        PETER_LINE,
        PETER_TEXT,
        "x08gow==",
        "0",
        "12",
        "=",
        "a",
        "\x00",
        "\u2028",
        "+",
    ]
)


@given(
    st.one_of(
        st.binary(max_size=300), st.lists(PIECES, max_size=12).map(lambda parts: "".join(parts).encode())
    )
)
@settings(max_examples=500, deadline=None)
def test_whatever_is_read_gives_text_or_noteerror(note):
    """Arbitrary bytes and arbitrary puzzles of a note's own parts: a text that was signed, or NoteError, nothing else."""
    with contextlib.suppress(NoteError):
        assert open_note(note, PETER) == PETER_TEXT
    with contextlib.suppress(NoteError):
        open_checkpoint(note, PETER)
    with contextlib.suppress(NoteError):
        assert isinstance(parse_checkpoint(note.decode("utf-8", "replace")), Checkpoint)
    with contextlib.suppress(NoteError):
        Verifier.parse(note.decode("utf-8", "replace"))


def test_a_checkpoint_goes_and_comes():
    """Origin, size and root, signed and read again; lines after the third are let pass."""
    key = key_of()
    checkpoint = Checkpoint(key.origin, 12, bytes(range(32)))
    assert checkpoint.text == "pentrap/sinkhole-1\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert open_checkpoint(key.sign(checkpoint.text), key.verifier) == checkpoint
    assert open_checkpoint(key.sign(f"{checkpoint.text}more\n"), key.verifier) == checkpoint
    zero = Checkpoint(key.origin, 0, bytes(32))
    assert parse_checkpoint(zero.text) == zero
    assert parse_checkpoint(f"a\n9{'0' * 18}\n{'A' * 43}=\n").size == 9 * 10**18


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "origin, size and root"),
        ("a\n1\n", "origin, size and root"),
        ("\n1\nAAAA\n", "origin, size and root"),
        (f"a\n1\n{'A' * 43}=", "origin, size and root"),
        (f"a\n01\n{'A' * 43}=\n", "origin, size and root"),
        (f"a\n-1\n{'A' * 43}=\n", "origin, size and root"),
        (f"a\n\n{'A' * 43}=\n", "origin, size and root"),
        (f"a\n1{'0' * 19}\n{'A' * 43}=\n", "origin, size and root"),
        (f"a\n\u0661\n{'A' * 43}=\n", "origin, size and root"),
        ("a\n1\nAAAA\n", "a root of 3 bytes, expected 32"),
        (f"a\n1\n{'A' * 44}\n", "a root of 33 bytes, expected 32"),
        ("a\n1\n?\n", "the root is not base64"),
        (f"a\n1\n{'A' * 42}B=\n", "one form"),
    ],
)
def test_what_is_no_checkpoint(text, words):
    """Each line has one form."""
    with pytest.raises(NoteError, match=words):
        parse_checkpoint(text)


def test_a_checkpoint_of_another_log_is_refused():
    """A key's own name is the origin, unless another is asked for."""
    key = key_of()
    text = Checkpoint("pentrap/other", 1, bytes(32)).text
    with pytest.raises(NoteError, match="another log"):
        open_checkpoint(key.sign(text), key.verifier)
    assert open_checkpoint(key.sign(text), key.verifier, "pentrap/other").origin == "pentrap/other"
    with pytest.raises(NoteError, match="another log"):
        open_checkpoint(key.sign(Checkpoint(key.origin, 1, bytes(32)).text), key.verifier, "pentrap/other")
