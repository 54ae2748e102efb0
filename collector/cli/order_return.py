"""`pentrap order return` and `pentrap order delivered`: the court's return, and that the court has it."""

import argparse
import re
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from collector.audit.key import checkpoint_key
from collector.cli.asking import add_actor, add_reason
from collector.cli.progress import Bar
from collector.ground.errors import ConfigurationError, Problem
from collector.service import acts
from collector.service import settings as service_settings
from collector.service.settings import Settings

RETURN_TEXT = "Make the return to the court: rows, counts, log, proofs and a verifier in one tar; same input, same bytes."
DELIVERED_TEXT = (
    "Note that the court has a return; from then on its rows may be deleted when their time has come."
)


def return_arguments(verb: argparse.ArgumentParser) -> None:
    """Options of `order return`."""
    verb.add_argument(
        "--order", required=True, metavar="ID", help="any order of the chain of extensions to return"
    )
    verb.add_argument("--to", type=Path, required=True, metavar="FILE.tar", help="the bundle to write")
    verb.add_argument(
        "--interim", action="store_true", help="while the order is in force, or before every day is sealed"
    )
    verb.add_argument(
        "--without-rows", action="store_true", help="list and hash the collected files, leave them out"
    )
    verb.add_argument(
        "--encrypt-to",
        metavar="RECIPIENT",
        help="write FILE.tar.age for an age recipient (age1…) or an ssh-ed25519 public key, as text or as a file",
    )
    verb.add_argument(
        "--entries",
        type=int,
        metavar="N",
        help="cover the first N entries of the audit log: makes an earlier bundle again",
    )
    add_reason(verb, "why the records are read (default: the return to the court)", required=False)
    add_actor(verb)


def delivered_arguments(verb: argparse.ArgumentParser) -> None:
    """Options of `order delivered`."""
    verb.add_argument("--order", required=True, metavar="ID", help="any order of the chain that was returned")
    which = verb.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--bundle", type=Path, metavar="FILE", help="the bundle that was delivered, .tar or .tar.age"
    )
    which.add_argument("--sha256", metavar="HEX", type=_sha256, help="or its SHA-256")
    add_reason(verb, "how and when it was delivered")
    add_actor(verb)


def run_return(chosen: argparse.Namespace) -> int:
    """0 where the bundle stands, 1 where it must not be made, with every reason."""
    from collector.court import bundle, encrypt, scope  # noqa: PLC0415 - Arrow takes its time

    settings = service_settings.load(chosen.config)
    try:
        recipient = encrypt.Recipient(chosen.encrypt_to) if chosen.encrypt_to else None
    except (encrypt.RecipientError, OSError) as error:
        raise _usage(
            "--encrypt-to", str(error), encrypt.EXPECTED, "ask the court's clerk for its key"
        ) from None
    try:
        with acts.desk(settings, chosen.actor) as desk:
            request = bundle.ReturnRequest(
                data_dir=settings.data_dir,
                sensor=settings.sensor,
                key=checkpoint_key(settings.signing_key, settings.sensor),
                operation_file=_finder(settings),
                order=chosen.order,
                target=chosen.to.absolute(),
                actor=desk.actor,
                reason=chosen.reason or "return to the court",
                interim=chosen.interim,
                with_rows=not chosen.without_rows,
                recipient=recipient,
                entries=chosen.entries,
            )
            made = bundle.make_return(request, desk.log, Bar("return"))
    except scope.ReturnRefusedError as error:
        return _refused("return", error.reasons)
    except OSError as error:
        return _refused("return", [f"{error.filename or chosen.to}: {error.strerror or error}"])
    print(f"bundle     {made.path}")
    print(f"sha256     {made.sha256}" + ("  (of the plain tar)" if made.encrypted_sha256 else ""))
    if made.encrypted_sha256:
        print(f"encrypted  {made.encrypted_sha256}  (of the file that was written)")
    print(f"orders     {', '.join(made.orders)}")
    print(f"covers     {made.rows:,} rows, {made.files:,} files, {made.entries:,} entries of the audit log")
    print(f"key        {request.key.verifier.text}")
    if made.encrypted_sha256:
        print(
            "check      decrypt it (age --decrypt), then python3 -I -S verify.py in the folder that it unpacks to"
        )
    else:
        print(f"check      tar xf {made.path.name}, then python3 -I -S verify.py in its folder")
    if chosen.interim:
        print("interim    it cannot be noted as delivered; the final return follows", file=sys.stderr)
    return 0


def run_delivered(chosen: argparse.Namespace) -> int:
    """0 where it is entered, 1 where it must not be."""
    from collector.court import collected, delivery, scope  # noqa: PLC0415 - Arrow takes its time

    settings = service_settings.load(chosen.config)
    try:
        sha256 = chosen.sha256 or collected.digest(chosen.bundle)
    except OSError as error:
        found = f"{chosen.bundle}: {error.strerror}"
        raise _usage(
            "--bundle", found, "the bundle that was delivered", "name the file, or give --sha256"
        ) from None
    try:
        with acts.desk(settings, chosen.actor) as desk:
            entry, new = delivery.deliver(
                settings.data_dir, desk.log, chosen.order, sha256, desk.actor, chosen.reason
            )
    except scope.ReturnRefusedError as error:
        return _refused("delivered", error.reasons)
    orders = ", ".join(entry.facts["orders"])
    print(
        f"{'Noted' if new else 'Noted before'}, entry {entry.number}: the court has the return of {orders}."
    )
    return 0


def _finder(settings: Settings) -> Callable[[str], Path | None]:
    def find(operation: str) -> Path | None:
        for path in settings.operation_files():
            with suppress(OSError, ValueError):
                if tomllib.loads(path.read_text(encoding="utf-8")).get("operation") == operation:
                    return path
        return None

    return find


def _refused(verb: str, reasons: list[str]) -> int:
    print(f"pentrap order {verb}: refused", file=sys.stderr)
    for reason in reasons:
        print(f"  - {reason}", file=sys.stderr)
    return 1


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("64 hexadecimal digits are expected")
    return text.lower()


def _usage(place: str, found: str, expected: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem("pentrap order", place, found, expected, remedy)])
