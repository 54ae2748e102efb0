"""Partners' tokens: add, rotate, revoke, show. A token is shown once, with the partner's onboarding sheet."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from collector.cli.asking import add_actor
from collector.exports import sheet, tokens
from collector.exports.keys import known_keys
from collector.exports.partners import Partner, entitlements, read_partners
from collector.exports.tokens import ACCOUNT, DAYS_MAX, EXPIRES_DAYS, OVERLAP_DAYS, Token
from collector.ground.clock import now_us
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.instants import to_text
from collector.service import acts
from collector.service import settings as service_settings
from collector.service.settings import Settings

CONFIG = False  # each subcommand takes --config, so that it can stand behind it


class Command(NamedTuple):
    """One subcommand."""

    name: str
    text: str
    run: Callable[[Settings, argparse.Namespace], int]


def arguments(verb: argparse.ArgumentParser) -> None:
    """A parser for each subcommand."""
    choices = verb.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for command in COMMANDS:
        one = choices.add_parser(command.name, help=command.text, description=command.text)
        one.add_argument(
            "--config", type=Path, required=True, metavar="FILE", help="the settings, pentrap.toml"
        )
        _add_options(one, command.name)
        one.add_argument("--json", action="store_true", help="JSON on stdout")
        one.set_defaults(subcommand=command.run, command=command.name)


def run(chosen: argparse.Namespace) -> int:
    """0; 1 where there was nothing to rotate or revoke; 2 where the partner is unknown, or has a token already."""
    code: int = chosen.subcommand(service_settings.load(chosen.config), chosen)
    return code


def _add_options(one: argparse.ArgumentParser, name: str) -> None:
    if name == "show":
        one.add_argument("name", nargs="?", default="", metavar="NAME", help="one partner's only")
        return
    one.add_argument("name", metavar="NAME", help="the partner, as partners.toml calls it")
    every = name == "revoke"
    one.add_argument(
        "--account",
        type=lambda text: text and _account(text),
        default="" if every else "main",
        metavar="A",
        help=f"which of the partner's machines or people (default: {'all of them' if every else 'main'})",
    )
    if not every:
        one.add_argument(
            "--expires-days",
            type=_days,
            default=EXPIRES_DAYS,
            metavar="N",
            help=f"days until it expires, 1 to {DAYS_MAX} (default {EXPIRES_DAYS})",
        )
        one.add_argument(
            "--url",
            default="",
            type=lambda text: text and _url(text),
            metavar="URL",
            help="the address that the sheet gives to the partner (default: [pull] listen)",
        )
    if name == "rotate":
        one.add_argument(
            "--overlap-days",
            type=_days,
            default=OVERLAP_DAYS,
            metavar="N",
            help=f"days that the token before goes on (default {OVERLAP_DAYS})",
        )
    add_actor(one)


def _give(settings: Settings, chosen: argparse.Namespace) -> int:
    partner = _partner(settings, chosen.name)
    with (
        acts.desk(settings, chosen.actor) as desk,
        tokens.changing(settings.data_dir, desk.log, desk.actor, now_us()) as changes,
    ):
        there = changes.valid(partner.name, chosen.account)
        if chosen.command == "add":
            if there:
                found = f"account {chosen.account} has a valid token, {there[-1].id}"
                remedy = f"`pentrap partner rotate {partner.name}`, or another --account"
                raise ConfigurationError(
                    [
                        Problem(
                            str(tokens.path_of(settings.data_dir)),
                            partner.name,
                            found,
                            "one token an account",
                            remedy,
                        )
                    ]
                )
            secret, token = changes.add(partner.name, chosen.account, chosen.expires_days)
        else:
            if not there:
                print(
                    f"pentrap partner: account {chosen.account} of {partner.name} has no valid token to rotate; "
                    f"`pentrap partner add` makes one",
                    file=sys.stderr,
                )
                return 1
            secret, token = changes.rotate(
                partner.name, chosen.account, chosen.expires_days, chosen.overlap_days
            )
        operations = desk.operations()
    told = sheet.Sheet(
        partner=partner.name,
        account=chosen.account,
        contact=partner.contact,
        url=chosen.url or _own_url(settings),
        expires=to_text(token.expires_us),
        keys=known_keys(settings.data_dir, settings.signing_key),
        grants=entitlements([partner], operations),
        client_certificate=bool(settings.pull.client_ca),
    )
    if chosen.json:
        print(json.dumps(_told(token) | {"token": secret, "sheet": sheet.text(told)}, indent=1))
    else:
        print(f"token for {partner.name}, account {chosen.account}; it is not shown again:\n\n    {secret}\n")
        print(sheet.text(told), end="")
    return 0


def _revoke(settings: Settings, chosen: argparse.Namespace) -> int:
    with (
        acts.desk(settings, chosen.actor) as desk,
        tokens.changing(settings.data_dir, desk.log, desk.actor, now_us()) as changes,
    ):
        ended = changes.revoke(chosen.name, chosen.account)
    if chosen.json:
        print(json.dumps([_told(one) for one in ended], indent=1))
    for one in ended if not chosen.json else ():
        print(f"{one.partner} {one.account}: {one.id} opens nothing any more")
    if not ended:
        of = f"account {chosen.account} of {chosen.name}" if chosen.account else chosen.name
        print(f"pentrap partner: {of} has no valid token; nothing was changed", file=sys.stderr)
    return 0 if ended else 1


def _show(settings: Settings, chosen: argparse.Namespace) -> int:
    now = now_us()
    known = tokens.settled(settings.data_dir, tokens.read(settings.data_dir))
    found = [one for one in known if chosen.name in ("", one.partner)]
    found.sort(key=lambda one: (one.partner, one.account, one.created_us))
    if chosen.json:
        print(json.dumps([_told(one) for one in found], indent=1))
        return 0
    for one in found:
        state = one.state(now)
        until = f"until {to_text(one.expires_us)}" if state == "valid" else state
        print(f"{one.partner}  {one.account}  {one.id}  made {to_text(one.created_us)}  {until}")
    if not found:
        print("no token", file=sys.stderr)
    return 0


def _told(token: Token) -> dict[str, Any]:
    times = {
        key: to_text(value)
        for key, value in (
            ("created", token.created_us),
            ("expires", token.expires_us),
            ("revoked", token.revoked_us),
        )
        if value is not None
    }
    return {
        "partner": token.partner,
        "account": token.account,
        "id": token.id,
        "state": token.state(now_us()),
    } | times


def _partner(settings: Settings, name: str) -> Partner:
    """Who is meant. Raises ConfigurationError."""
    problems: list[Problem] = []
    partners = read_partners(settings.partners_file, problems)
    if problems:
        raise ConfigurationError(problems)
    for one in partners:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in partners) or "and it names nobody"
    file = str(settings.partners_file)
    expected = f"a partner of {file}: {known}"
    remedy = "correct the name, or add a [[partner]] to the file first"
    raise ConfigurationError([Problem(file, "NAME", _quoted(name), expected, remedy)])


def _own_url(settings: Settings) -> str:
    return f"{'https' if settings.pull.tls_cert else 'http'}://{settings.pull.listen}"


def _quoted(text: str) -> str:
    return json.dumps(text)


def _days(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= DAYS_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected days from 1 to {DAYS_MAX}")


def _account(text: str) -> str:
    if ACCOUNT.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError("expected 1 to 32 of a-z, 0-9 and hyphen")


def _url(text: str) -> str:
    if text.startswith(("https://", "http://")) and text.isprintable() and not set(text) & set(" '\"?#\\"):
        return text.rstrip("/")
    raise argparse.ArgumentTypeError("expected an address as https://pull.example.org")


COMMANDS = (
    Command("add", "a token for a partner's account, and the onboarding sheet", _give),
    Command("rotate", "a new token; the one before goes on for some days", _give),
    Command("revoke", "end a partner's tokens, or one account's, within seconds", _revoke),
    Command("show", "the tokens that there are, never the secrets", _show),
)
