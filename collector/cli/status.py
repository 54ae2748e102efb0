"""A look at a running collector: is it answering, is it recording, has every check-in its fate, and what needs attention.

The values and the words are those of the status page, asked of the collector itself. `--ready` is the containers' health check:
it asks /readyz alone, since a broken equation is an alarm but no reason to restart what answers machines, and says nothing
while all is well.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from typing import Any

from collector.service import settings as service_settings
from collector.service.manage_address import token_of
from collector.service.settings import Settings

TIMEOUT_SECONDS = 5


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    form = verb.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything as one JSON object on stdout")
    form.add_argument(
        "--ready",
        action="store_true",
        help="for health checks: only whether machines are answered, told by the exit code",
    )


def run(chosen: argparse.Namespace) -> int:
    """0 where machines are answered and the equation holds, else 1."""
    settings = service_settings.load(chosen.config)
    address = f"http://{settings.manage.listen}/"
    try:
        if chosen.ready:
            return _say_ready(json.loads(_get(settings, f"{address}readyz")))
        state = json.loads(_get(settings, f"{address}status.json"))
        state |= {name: state["counts"][name] for name in ("fates", "open")}
    except (OSError, ValueError, KeyError) as error:
        reason = getattr(error, "reason", None) or error
        print(
            f"pentrap status: {address}: {reason}\n    remedy: start it with pentrap serve", file=sys.stderr
        )
        return 1
    if chosen.json:
        print(json.dumps(state, indent=1))
    else:
        _show(state, address)
    return 0 if state["ready"] and not state["difference"] else 1


def _say_ready(ready: dict[str, Any]) -> int:
    if ready["ready"]:
        return 0
    print(f"pentrap status: no worker of {ready['workers']['expected']} answers machines", file=sys.stderr)
    return 1


def _get(settings: Settings, url: str) -> bytes:
    request = urllib.request.Request(url)  # noqa: S310 - our own address, from the settings
    if token := token_of(settings):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        body = error.read()
    return body


def _show(state: dict[str, Any], address: str) -> None:
    print(f"{state['verdict']}  ({address})\n")
    for answer in state["answers"]:
        word = f"yes ({answer['detail']})" if answer["yes"] else f"NO: {answer['detail']}"
        print(f"{answer['question'].lower():<16}{word}")
    print()
    print(f"{'accepted':<20}{state['accepted']:>14,}")
    for fate, count in sorted(state["fates"].items(), key=lambda item: -item[1]):
        if count:
            print(f"  {fate:<18}{count:>14,}")
    print(f"  {'still open':<18}{state['open']:>14,}")
    counts = state["counts"]
    print(f"{'in Parquet':<20}{counts['rows']:>14,} rows")
    print(f"{'kernel':<20}{sum(counts['kernel_dropped'].values()):>14,} dropped before us")
    for concern in state["concerns"]:
        word = "ACT NOW" if concern["urgency"] == "now" else "SOON"
        print(f"\n{word:<9}{concern['what']}")
        print(f"         {concern['action'].replace('`', '')}.")
        print(f"         deploy/RUNBOOK.md: {concern['runbook']}")
