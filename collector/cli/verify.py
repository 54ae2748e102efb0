"""Check publications, audit log, data directory, day, segment or court's return: manifest, hashes, signature, chain."""

import argparse
import json
import re
from pathlib import Path

from collector.audit.key import checkpoint_key
from collector.audit.note import Verifier
from collector.cli.verify_kinds import KINDS, Checked, Means
from collector.exports.keys import known_keys
from collector.exports.manifest import parse
from collector.exports.proof import Head
from collector.exports.sshsig import parse_public
from collector.ground.errors import ConfigurationError, CorruptError, Problem
from collector.service import settings as service_settings

CONFIG = False
"""What is verified is named; a copy on another machine has no settings."""
SHOWN = 20
"""Findings of one thing that are printed; `--json` has all."""


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="default: data_dir of --config")
    verb.add_argument(
        "--config", type=Path, metavar="FILE", help="the settings: their data_dir and key are used"
    )
    verb.add_argument(
        "--key",
        default="",
        metavar="KEY",
        help="the log's verifier key noted at installation, or the publications' public key (ssh-ed25519 …); or a file of them",
    )
    verb.add_argument(
        "--head",
        default="",
        metavar="N:SHA256",
        help="a publication that must be in the sequence: its number and its manifest's hash, as an earlier run said",
    )
    verb.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="another checkpoint of the same log: as a partner received it, or its manifest.json; may be repeated",
    )
    verb.add_argument("--json", action="store_true", help="everything as one JSON object on stdout")


def run(chosen: argparse.Namespace) -> int:
    """0 where everything holds, 1 where something does not."""
    paths: list[Path] = list(chosen.paths)
    verifier, keys = _given(chosen.key)
    if chosen.config:
        settings = service_settings.load(chosen.config)
        paths = paths or [settings.data_dir]
        if verifier is None and settings.signing_key.exists():
            verifier = checkpoint_key(settings.signing_key, settings.sensor).verifier
        if not keys:
            keys = tuple(key.public for key in known_keys(settings.data_dir, settings.signing_key))
    if not paths:
        raise _problem("PATH", "nothing to verify", _expected(), "name a path, or the settings with --config")
    witnesses = {str(path): _checkpoint_in(_read(path)) for path in chosen.checkpoint}
    means = Means(verifier, witnesses, keys, _head(chosen.head))
    checked = [one for path in paths for one in _check(path, means)]
    if chosen.json:
        holds = not any(one.findings for one in checked)
        print(json.dumps({"holds": holds, "checked": [one.as_dict() for one in checked]}, indent=1))
    else:
        for one in checked:
            _show(one)
    return 1 if any(one.findings for one in checked) else 0


def _check(path: Path, means: Means) -> list[Checked]:
    for kind in KINDS:
        if kind.fits(path):
            return list(kind.check(path, means))
    found = "nothing there" if not path.exists() else "something else"
    raise _problem(str(path), found, _expected(), "name one of these, as the collector wrote it")


def _expected() -> str:
    return "; ".join(kind.words for kind in KINDS)


def _given(text: str) -> tuple[Verifier | None, tuple[bytes, ...]]:
    """The log's verifier key, and public keys of publications, whichever the text or the file of that name has."""
    if not text:
        return None, ()
    if not text.startswith("ssh-") and ("+" not in text or Path(text).exists()):
        text = _read(Path(text)).decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    signers = [line for line in lines if "ssh-ed25519 " in line]
    others = [line for line in lines if line not in signers]
    try:
        keys = tuple(parse_public(line) for line in signers)
        return (None if keys and not others else Verifier.parse("\n".join(others))), keys
    except ValueError as error:
        remedy = "copy it whole, as it was noted"
        expected = "the text that audit/vkey holds, or an ssh-ed25519 public key"
        raise _problem("--key", str(error), expected, remedy) from None


def _head(text: str) -> Head | None:
    if not text:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5}):([0-9a-f]{64})", text)
    if match is None:
        raise _problem("--head", "something else", "a number, a colon, 64 digits", "copy it whole")
    return Head(int(match[1]), match[2])


def _checkpoint_in(content: bytes) -> bytes:
    """A checkpoint as it is, or the one that a manifest carries."""
    if not content.startswith(b"{"):
        return content
    try:
        return parse(content).audit_checkpoint.encode()
    except CorruptError as error:
        operation, path, place, cause, remedy = error.parts
        raise _problem(f"--checkpoint {path}: {place}", cause, operation, remedy) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _problem(str(path), error.strerror or "unreadable", "a file", "correct the path") from None


def _problem(place: str, found: str, expected: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem("pentrap verify", place, found, expected, remedy)])


def _show(one: Checked) -> None:
    counts = ", ".join(f"{count} {what}" for what, count in one.counts.items())
    print(f"{'FAIL' if one.findings else 'ok  '}  {one.kind} {one.path}: {counts}")
    for finding in one.findings[:SHOWN]:
        print("      " + str(finding).replace("\n", "\n      "))
    if len(one.findings) > SHOWN:
        print(f"      and {len(one.findings) - SHOWN} more; --json tells all")
    for note in one.notes:
        print(f"      note: {note}")
