"""The court's verifier: its signatures are RFC 8032's, its tree is the log's, and whatever is changed in a bundle it finds."""

import ast
import base64
import hashlib
import io
import random
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from return_world import make_world, verify

from collector.audit import tiles, tree
from collector.audit.note import Checkpoint, Verifier, sign
from collector.court import verifier

# RFC 8032 section 7.1: secret key, public key, message, signature
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
P, L = verifier.P, verifier.L


class Memory:
    """A bundle as a dictionary: changing it costs nothing."""

    title = "memory"

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def names(self) -> list[str]:
        return list(self.files)

    def open(self, name: str) -> io.BytesIO:
        return io.BytesIO(self.files[name])


def flaw(files: dict[str, bytes], key: str = "", partner: bytes | None = None) -> str:
    """The first thing that the verifier finds; empty where all holds."""
    checker = verifier.Checker(Memory(files), verifier.Key(key) if key else None, partner)
    checks = [
        checker.check_files, checker.check_key, checker.check_log, checker.check_seal, checker.check_tiles,
        checker.check_texts, checker.check_collected, checker.check_sums,
    ]  # fmt: skip
    if partner is not None:
        checks.append(checker.check_partner)
    for check in checks:
        try:
            check()
        except Exception as error:
            return f"{check.__name__}: {error}"
    return ""


def recomputed(files: dict[str, bytes]) -> dict[str, bytes]:
    """The bundle with SHA256SUMS as an attacker without the key would make it anew."""
    names = sorted(set(files) - {verifier.SUMS, verifier.SEAL})
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in names)
    return files | {verifier.SUMS: sums.encode()}


def resigned(files: dict[str, bytes], private: Ed25519PrivateKey, name: str) -> dict[str, bytes]:
    """The bundle with log, tiles, key, list and both signatures made anew with another key."""
    lines = files[verifier.LOG].split(b"\n")[:-1]
    leaves = [
        bytes.fromhex(line[13:77].decode()) if line.startswith(b'{"withheld"') else tree.leaf_hash(line)
        for line in lines
    ]
    files = {name: content for name, content in files.items() if not name.startswith("audit/tile/")}
    files |= {f"audit/{name}": content for name, content in tiles.tiles_of(leaves)}
    text = Checkpoint(name, len(leaves), tree.root(leaves)).text
    public = Verifier(name, private.public_key().public_bytes_raw())
    files |= {verifier.CHECKPOINT: sign(text, name, private), verifier.VKEY: f"{public.text}\n".encode()}
    files = recomputed(files)
    seal = f"{text}{verifier.SEAL_LINE}{hashlib.sha256(files[verifier.SUMS]).hexdigest()}\n"
    return files | {verifier.SEAL: sign(seal, name, private)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> dict[str, bytes]:
    """The files of a small return, by name."""
    folder = tmp_path_factory.mktemp("world")
    make_world(folder / "w", rows=6).make(folder / "r.tar")
    with tarfile.open(folder / "r.tar") as tar:
        return {member.name.partition("/")[2]: tar.extractfile(member).read() for member in tar}


def accepted_by_library(public: bytes, signature: bytes, message: bytes) -> bool:
    """What OpenSSL says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_rfc_8032_vectors():
    """The test vectors of RFC 8032 section 7.1 verify, and not with one bit changed."""
    for _, public, message, signature in VECTORS:
        known, text, given = (bytes.fromhex(word) for word in (public, message, signature))
        assert verifier.ed25519_verify(known, given, text)
        assert not verifier.ed25519_verify(known, given, text + b"x")
        for place in (0, 31, 32, 63):
            changed = bytearray(given)
            changed[place] ^= 1
            assert not verifier.ed25519_verify(known, bytes(changed), text)


def test_signatures_are_judged_as_the_library_judges_them():
    """Good, damaged, malleable (S + L) and garbled signatures and keys: the same word as OpenSSL's, in 1,500 random cases."""
    chance = random.Random(8032)
    for number in range(1500):
        private = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        public = private.public_key().public_bytes_raw()
        message = chance.randbytes(chance.randrange(200))
        signature = private.sign(message)
        match number % 6:
            case 1:
                place = chance.randrange(64)
                signature = (
                    signature[:place]
                    + bytes([signature[place] ^ 1 << chance.randrange(8)])
                    + signature[place + 1 :]
                )
            case 2:
                scalar = int.from_bytes(signature[32:], "little") + L
                signature = signature[:32] + scalar.to_bytes(32, "little")
            case 3:
                public = chance.randbytes(32)
            case 4:
                signature = chance.randbytes(32) + signature[32:]
            case 5:
                message += b"\0"
        expected = accepted_by_library(public, signature, message)
        assert expected == (number % 6 == 0)
        assert verifier.ed25519_verify(public, signature, message) == expected, number


def test_points_in_another_form_are_refused():
    """A y not below p, x = 0 with a sign, bytes of no point, wrong lengths: no such key verifies anything (RFC 8032 5.1.3)."""
    good = bytes.fromhex(VECTORS[0][3])
    wrong = [
        (P + 1).to_bytes(32, "little"),
        (P + 3).to_bytes(32, "little"),
        ((1 << 255) | 1).to_bytes(32, "little"),
    ]
    no_point = next(y for y in range(2, 99) if verifier.decode_point(y.to_bytes(32, "little")) is None)
    for public in (*wrong, no_point.to_bytes(32, "little"), b"", bytes(31), bytes(33)):
        assert verifier.decode_point(public) is None or len(public) != 32
        assert not verifier.ed25519_verify(public, good, b"")
    assert not verifier.ed25519_verify(bytes.fromhex(VECTORS[0][1]), good[:63], b"")


def test_the_tree_and_its_tiles_are_the_logs_own():
    """Roots and tiles of every size around a tile's edge equal those that the log writes."""
    lines = [b"%d" % number for number in range(66_000)]
    leaves = [tree.leaf_hash(line) for line in lines]
    for size in (0, 1, 2, 3, 7, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 66_000):
        assert verifier.root_of(leaves[:size]) == tree.root(leaves[:size])
        ours = dict(verifier.tiles_of(leaves[:size], lines[:size]))
        theirs = dict(tiles.tiles_of(leaves[:size])) | dict(tiles.bundles_of(lines[:size]))
        assert ours == {f"audit/{name}": content for name, content in theirs.items()}


def test_python_3_8_reads_it_and_it_needs_nothing_of_ours():
    """The verifier parses as Python 3.8, and imports the standard library only."""
    source = Path(verifier.__file__).read_text()
    parsed = ast.parse(source, feature_version=(3, 8))
    names = {alias.name for node in ast.walk(parsed) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(parsed) if isinstance(node, ast.ImportFrom)}
    assert names == {
        "__future__", "argparse", "base64", "collections.abc", "hashlib", "json", "os", "re", "sys", "tarfile", "typing",
    }  # fmt: skip


def test_every_changed_byte_is_found(bundle):
    """One byte changed: anywhere in a file of up to 3,500 bytes, at 200 places of each longer one."""
    assert flaw(bundle) == ""
    chance = random.Random(23)
    for name, content in bundle.items():
        places = range(len(content)) if len(content) <= 3_500 else chance.sample(range(len(content)), 200)
        for place in places:
            changed = bytearray(content)
            changed[place] ^= chance.randrange(1, 256)
            assert flaw(bundle | {name: bytes(changed)}), f"{name}, byte {place}"


def test_every_cut_or_lengthened_file_is_found(bundle):
    """A byte less, a byte more, nothing at all: found in each file."""
    for name, content in bundle.items():
        for changed in (content[:-1], content + b"\n", content[1:], b""):
            assert flaw(bundle | {name: changed}), name


def test_the_set_is_closed(bundle):
    """A file taken away, added, or two swapped: found."""
    names = sorted(bundle)
    for name in names:
        assert flaw({other: content for other, content in bundle.items() if other != name}), name
    assert "do not belong" in flaw(bundle | {"collected/date=2026-09-01/more.parquet": b""})
    assert "do not belong" in flaw(bundle | {"note.txt": b"x"})
    for first, second in pairwise(names):
        assert flaw(bundle | {first: bundle[second], second: bundle[first]}), (first, second)


def rewritten(bundle: dict[str, bytes], lines: list[bytes]) -> dict[str, bytes]:
    """The bundle with another log, and SHA256SUMS made anew."""
    return recomputed(bundle | {verifier.LOG: b"".join(line + b"\n" for line in lines)})


def test_a_changed_log_does_not_give_the_signed_root(bundle):
    """Entries removed, swapped, changed, added, cut off or withheld under another hash, and SHA256SUMS made anew: found."""
    lines = bundle[verifier.LOG].split(b"\n")[:-1]
    forged = bytes.fromhex("00" * 32).hex().encode()
    for place, line in enumerate(lines):
        assert flaw(rewritten(bundle, lines[:place] + lines[place + 1 :]))
        hidden = flaw(rewritten(bundle, [*lines[:place], b'{"withheld":"%s"}' % forged, *lines[place + 1 :]]))
        assert hidden.startswith("check_log: the log is not the one that was signed")
        assert flaw(
            rewritten(bundle, [*lines[:place], line.replace(b"2026", b"2025", 1) + b" ", *lines[place + 1 :]])
        )
        for other in range(place):
            swapped = list(lines)
            swapped[place], swapped[other] = swapped[other], swapped[place]
            if swapped != lines:
                assert flaw(rewritten(bundle, swapped))
    assert flaw(rewritten(bundle, lines[:-1]))
    assert flaw(rewritten(bundle, [*lines, lines[-1]]))


def test_changed_contents_with_a_new_list_are_found_by_the_signature_over_the_list(bundle):
    """Whatever file is changed, and SHA256SUMS made anew: the signature over SHA256SUMS no longer fits."""
    for name in sorted(set(bundle) - {verifier.SUMS, verifier.SEAL}):
        found = flaw(recomputed(bundle | {name: bundle[name] + b" "}))
        assert found, name
        if not name.startswith("audit/"):
            assert found.startswith("check_seal"), (name, found)


def test_another_key_is_told_from_the_one_that_was_given(bundle):
    """A bundle forged as a whole with another key holds together, and fails against a pinned key or a partner's checkpoint."""
    true_key = bundle[verifier.VKEY].decode().strip()
    name = true_key.partition("+")[0]
    lines = bundle[verifier.LOG].split(b"\n")[:-1]
    altered = [line.replace(b"olga", b"hans").replace(b"looking", b"leaving") for line in lines]
    forged = resigned(
        bundle | {verifier.LOG: b"".join(line + b"\n" for line in altered)},
        Ed25519PrivateKey.generate(),
        name,
    )
    assert flaw(forged) == ""
    assert flaw(forged, key=true_key).startswith("check_key")
    assert flaw(forged, partner=bundle[verifier.CHECKPOINT]).startswith("check_partner")
    assert flaw(bundle, key=true_key, partner=bundle[verifier.CHECKPOINT]) == ""


def test_a_log_forked_with_the_true_key_is_found_by_a_partners_checkpoint(bundle, tmp_path):
    """Who has the key can sign another past; a checkpoint that a partner kept of any earlier size shows it."""
    private = Ed25519PrivateKey.generate()
    honest = resigned(bundle, private, "pentrap/sinkhole-1")
    lines = honest[verifier.LOG].split(b"\n")[:-1]
    leaves = list(tiles.unbundle(b"")) or [
        bytes.fromhex(line[13:77].decode()) if line.startswith(b'{"withheld"') else tree.leaf_hash(line)
        for line in lines
    ]
    altered = [lines[0].replace(b"0.1.0", b"0.1.1"), *lines[1:]]
    forked = resigned(
        honest | {verifier.LOG: b"".join(line + b"\n" for line in altered)}, private, "pentrap/sinkhole-1"
    )
    assert flaw(honest) == flaw(forked) == ""
    for size in range(1, len(leaves) + 1):
        seen = sign(
            Checkpoint("pentrap/sinkhole-1", size, tree.root(leaves[:size])).text,
            "pentrap/sinkhole-1",
            private,
        )
        assert flaw(honest, partner=seen) == ""
        assert "another log" in flaw(forked, partner=seen)


def test_figures_that_disagree_are_found_even_when_signed(bundle):
    """collected.json and record.json are held against the files, the markers and each other, whoever signed them."""
    private = Ed25519PrivateKey.generate()

    def found(name: str, old: bytes, new: bytes) -> str:
        assert old in bundle[name], (name, old)
        return flaw(
            resigned(bundle | {name: bundle[name].replace(old, new, 1)}, private, "pentrap/sinkhole-1")
        )

    assert found("collected.json", b'"rows_of_return": 6', b'"rows_of_return": 7')
    assert found("collected.json", b'"state": "present"', b'"state": "deleted"')
    assert found("collected.json", b'"sealed": true', b'"sealed": false')
    assert found("record.json", b'"rows": 19', b'"rows": 20')
    marker = next(name for name in bundle if "/sealed-" in name)
    assert found(marker, b'"rows": 6', b'"rows": 5')


def test_the_program_reads_folder_and_tar_and_its_exit_code_tells(tmp_path):
    """Plain `python3 -I -S verify.py` in an empty environment: 0 for folder and tar, 1 for a change, 2 for no bundle."""
    world = make_world(tmp_path / "w", rows=3)
    world.make(tmp_path / "r.tar")
    with tarfile.open(tmp_path / "r.tar") as tar:
        tar.extractall(tmp_path)
    folder = tmp_path / "return-avalanche-1"
    key = (folder / "audit/vkey").read_text().strip()
    for given in (folder, tmp_path / "r.tar"):
        done = verify(given, program=folder / "verify.py")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            0,
            "HOLDS: complete, closed and unchanged.",
        ), done.stdout
    pinned = verify(folder, "--key", key, "--partner-checkpoint", str(world.data / "audit/checkpoint"))
    assert pinned.returncode == 2, pinned.stdout  # the log has gone on since: the return's own entries
    assert "NOT DECIDED" in pinned.stdout
    other = Verifier("pentrap/other", Ed25519PrivateKey.generate().public_key().public_bytes_raw()).text
    assert verify(folder, "--key", other).returncode == 1
    (folder / "summary.html").write_text("forged")
    changed = verify(folder)
    assert (changed.returncode, "FAIL" in changed.stdout) == (1, True)
    assert verify(tmp_path / "nothing", program=folder / "verify.py").returncode == 2
    assert verify(folder, "--key", "nonsense").returncode == 2
    (folder / "link").symlink_to("/etc/passwd")
    assert verify(folder).returncode == 1


def test_a_tar_with_links_doubles_or_two_tops_is_refused(bundle, tmp_path):
    """An archive that would unpack to something else than it shows is refused."""

    def pack(name: str, *extra: tarfile.TarInfo) -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w") as tar:
            for file, content in bundle.items():
                member = tarfile.TarInfo(f"top/{file}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            for member in extra:
                tar.addfile(member, io.BytesIO(b""))
        return path

    link = tarfile.TarInfo("top/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    program = Path(verifier.__file__)
    assert verify(pack("good.tar"), program=program).returncode == 0
    assert verify(pack("link.tar", link), program=program).returncode == 1
    assert verify(pack("twice.tar", tarfile.TarInfo("top/README.txt")), program=program).returncode == 1
    assert verify(pack("two.tar", tarfile.TarInfo("other/README.txt")), program=program).returncode == 1
    assert verify(pack("up.tar", tarfile.TarInfo("top/../x")), program=program).returncode == 1


def test_base64_has_one_form():
    """A signature in another spelling of base64 is another signature."""
    assert verifier.unbase64(base64.b64encode(b"ab").decode(), "x") == b"ab"
    for text in ("YWI", "YWJ=", "YW I=", "YWI=\n"):
        with pytest.raises(verifier.Flaw):
            verifier.unbase64(text, "x")
