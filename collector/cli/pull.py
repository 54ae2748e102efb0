"""A partner's client: fetch what was published for it, resume what was cut, verify everything before it gets a name."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from collector.cli.progress import Bar
from collector.ground.errors import ConfigurationError, Problem

CONFIG = False
"""It runs at the partner's, which has no settings of ours."""


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument("url", metavar="URL", help="the collector's address, https://host[:port]")
    verb.add_argument(
        "--token-file", type=Path, required=True, metavar="F", help="a file (0600) with the token"
    )
    verb.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder that they come to")
    keys = verb.add_mutually_exclusive_group()
    keys.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="the operator's public key: an OpenSSH or an allowed_signers line",
    )
    keys.add_argument(
        "--trust-first-use",
        action="store_true",
        help="take the first signer's key, and keep it in DIR/trusted.key",
    )
    verb.add_argument("--layout", choices=("plain", "security-lake"), default="plain", help="default: plain")
    verb.add_argument("--region", default="", metavar="R", help="for security-lake, as eu-central-1")
    verb.add_argument("--account", default="", metavar="A", help="for security-lake: 12 digits, or external")
    verb.add_argument(
        "--ca", type=Path, metavar="FILE", help="the authority of the collector's certificate (PEM)"
    )
    verb.add_argument(
        "--client-cert", type=Path, metavar="FILE", help="a certificate of ours, where one is asked for (PEM)"
    )
    verb.add_argument(
        "--client-key", type=Path, metavar="FILE", help="its key, where it is not in the same file"
    )
    verb.add_argument("--insecure-http", action="store_true", help="allow http:// to another machine")
    verb.add_argument(
        "--attempts",
        type=_attempts,
        default=6,
        metavar="N",
        help="how often in a row something is tried that brings nothing (default: 6)",
    )
    verb.add_argument(
        "--json", action="store_true", help="a JSON object for each file and publication on stdout"
    )


def run(chosen: argparse.Namespace) -> int:
    """0 where everything is there; 1 where something does not verify, or cannot be had."""
    from collector.pull.errors import PullError  # noqa: PLC0415 - no other verb needs a client

    teller = _Teller(as_json=chosen.json)
    try:
        asyncio.run(_pull(chosen, teller))
    except PullError as error:
        return teller.failed(error.finding.as_dict(), error)
    except OSError as error:
        found = error.strerror or type(error).__name__
        place = str(error.filename or chosen.to)
        facts = {
            "place": place,
            "found": found,
            "expected": "a folder to write into",
            "remedy": "see its disk",
        }
        return teller.failed(facts, f"{place}: {found}")
    except KeyboardInterrupt:
        print("pentrap pull: interrupted; the next run goes on from here", file=sys.stderr)
        return 1
    finally:
        teller.missing()
    teller.done(chosen.to)
    return 0


async def _pull(chosen: argparse.Namespace, teller: "_Teller") -> None:
    from collector.pull import access, lake, trust  # noqa: PLC0415
    from collector.pull.holdings import holdings  # noqa: PLC0415
    from collector.pull.patience import Patience  # noqa: PLC0415
    from collector.pull.pulling import Puller, Ways  # noqa: PLC0415
    from collector.pull.remote import Remote  # noqa: PLC0415

    url = access.address(chosen.url, insecure=chosen.insecure_http)
    token, warning = access.read_token(chosen.token_file)
    if warning:
        print(f"pentrap pull: {warning}", file=sys.stderr)
    tls = access.tls(chosen.ca, chosen.client_cert, chosen.client_key) if url.startswith("https") else None
    laid = lake.lake(chosen.to, chosen.region, chosen.account) if chosen.layout == "security-lake" else None
    pinned = chosen.to / trust.TRUSTED
    given: tuple[bytes, ...] = ()
    if chosen.key:
        given = trust.read_keys(chosen.key, f"--key {chosen.key}")
    elif pinned.exists():
        given = trust.read_keys(pinned, str(pinned))
    elif not chosen.trust_first_use:
        raise _mistake(
            "--key",
            "nothing",
            "the key that the operator gave you",
            "name its file; or --trust-first-use, and compare the fingerprint by another way",
        )
    with holdings(chosen.to) as held:
        ways = Ways(
            tell=teller,
            progress=teller.progress,
            stands=lambda stood: laid.lay(held.path(stood.sequence), stood) if laid else None,
            pin=not chosen.key,
        )
        async with Remote(access.Access(url, token, tls), Patience(chosen.attempts)) as remote:
            await Puller(remote, held, trust.Trust(given), ways).run()
        teller.head = f"{held.last.sequence}:{held.last.sha256}" if held.last else ""


class _Teller:
    """Says what happened: data to stdout, what somebody has to act upon to stderr as well."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._bar: tuple[str, Bar] | None = None
        self._publications = self._files = self._bytes = 0
        self._gone: dict[int, int] = {}
        """How many files of which publications are missing here, since the collector's copies went early."""
        self.head = ""

    def __call__(self, said: dict[str, Any]) -> None:
        """One thing that happened."""
        what = said["what"]
        self._publications += what == "publication"
        if what == "file":
            self._files += 1
            self._bytes += said["bytes"]
        elif what == "gone" and said["early"]:
            self._gone[said["sequence"]] = len(said["files"])
        if self._as_json:
            print(json.dumps(said), flush=True)
        elif what == "publication":
            print(_line(said), flush=True)
        elif what == "repaired":
            print(
                f"{said['sequence']:06d}  {said['files']} files that were missing here are back", flush=True
            )
        for warning in _warnings(said):
            print(f"pentrap pull: {warning}", file=sys.stderr, flush=True)

    def progress(self, title: str, done: int, total: int) -> None:
        """Bytes, shown in kilobytes."""
        if self._bar is None or self._bar[0] != title:
            self._bar = (title, Bar(f"publication {title}, kB"))
        self._bar[1](done // 1000, total // 1000)

    def failed(self, facts: dict[str, Any], words: object) -> int:
        """Something stopped it."""
        if self._as_json:
            print(json.dumps({"what": "problem"} | facts), flush=True)
        print(f"pentrap pull: {words}", file=sys.stderr)
        return 1

    def missing(self) -> None:
        """One line a run, however many it concerns: it comes again each day until their time is over."""
        if not self._gone:
            return
        of = ", ".join(
            f"{number:06d} ({files} file{'s' if files > 1 else ''})" for number, files in self._gone.items()
        )
        print(
            f"pentrap pull: GIVEN NO MORE, AND MISSING HERE: files of {of}. The collector says that its copies are gone, "
            "though their manifests give them more time. Unless you were told that copies are kept for less long now, "
            "ask the operator, by another way than this",
            file=sys.stderr,
        )

    def done(self, folder: Path) -> None:
        """Everything is there."""
        if self._as_json:
            counts = {"publications": self._publications, "files": self._files, "bytes": self._bytes}
            counts["gone"] = sum(self._gone.values())
            print(json.dumps({"what": "done", "head": self.head} | counts), flush=True)
        elif self._publications:
            print(
                f"{self._publications} new publications, {self._files} files, {self._bytes / 1e6:,.1f} MB in {folder}"
            )
        else:
            print(
                f"nothing new; {folder} has everything"
                + (" that is still given" if self._gone else "")
                + (f" up to {self.head.partition(':')[0]}" if self.head else "")
            )


def _attempts(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError("expected a number from 1 to 100")
    return int(text)


def _line(said: dict[str, Any]) -> str:
    kind = said["kind"] + (f" {said['supplement']}" if said["supplement"] else "")
    rows = ", ".join(f"{count:,} {dataset}" for dataset, count in said["rows"].items()) or "no rows"
    gone = f" ({len(said['gone'])} of them given no more)" if said["gone"] else ""
    return (
        f"{said['sequence']:06d}  {said['date']}  {kind} of {said['order']}: {rows} in {said['files']} files{gone}, "
        f"{said['bytes'] / 1e6:,.1f} MB, TLP:{said['tlp']}, to be deleted after {said['keep_until']}"
    )


def _warnings(said: dict[str, Any]) -> list[str]:
    """What somebody should act upon."""
    what, found = said["what"], []
    if what == "pinned":
        found.append(
            f"TRUSTED ON FIRST USE: {said['key']} signed {said['place']}, and is kept in {said['file']}; "
            "compare it with the operator's fingerprint, by another way than this"
        )
    elif what == "key":
        kept = "kept in trusted.key" if said["kept"] else f"add it to the file of --key: {said['line']}"
        found.append(f"a key that is trusted has handed on to {said['key']}; {kept}")
    elif what == "gone" and not said["early"]:
        found.append(
            f"{said['sequence']:06d}: {len(said['files'])} files are given no more, their time is over"
        )
    elif what == "publication":
        place = f"{said['sequence']:06d}"
        if said["kind"] == "withdrawal":
            names = ", ".join(said["withdraws"]) or "see its manifest"
            found.append(
                f"WITHDRAWN: {place} takes back {said['rows'].get('withdrawn', 0):,} rows of {said['date']} "
                f"({said['order']}), published in {names}; remove them wherever they went"
            )
        if not said["complete"]:
            missing = ", ".join(said["missing_sensors"])
            found.append(f"{place} is incomplete: not sealed by {missing}; a supplement may follow")
    return found


def _mistake(place: str, found: str, expected: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem("pentrap pull", place, found, expected, remedy)])
