"""Check the audit log, a data directory, a day, a segment or a court's return: against manifest, hashes, signature, chain."""

import argparse
import json
from pathlib import Path

from collector.audit.key import checkpoint_key
from collector.audit.note import NoteError, Verifier
from collector.cli.verify_kinds import KINDS, Checked, Means
from collector.ground.errors import ConfigurationError, Problem
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
        metavar="VKEY",
        help="the verifier key noted at installation, or a file that holds it",
    )
    verb.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="another checkpoint of the same log, as a partner received it; may be repeated",
    )
    verb.add_argument("--json", action="store_true", help="everything as one JSON object on stdout")


def run(chosen: argparse.Namespace) -> int:
    """0 where everything holds, 1 where something does not."""
    paths: list[Path] = list(chosen.paths)
    verifier = _given(chosen.key)
    if chosen.config:
        settings = service_settings.load(chosen.config)
        paths = paths or [settings.data_dir]
        if verifier is None and settings.signing_key.exists():
            verifier = checkpoint_key(settings.signing_key, settings.sensor).verifier
    if not paths:
        raise _problem("PATH", "nothing to verify", _expected(), "name a path, or the settings with --config")
    means = Means(verifier, {str(path): _read(path) for path in chosen.checkpoint})
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


def _given(text: str) -> Verifier | None:
    if not text:
        return None
    if "+" not in text or Path(text).exists():
        text = _read(Path(text)).decode("utf-8", "replace")
    try:
        return Verifier.parse(text)
    except NoteError as error:
        remedy = "copy it whole, as it was noted"
        raise _problem("--key", str(error), "the text that audit/vkey holds", remedy) from None


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
