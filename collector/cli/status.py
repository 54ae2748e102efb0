"""A look at a running collector: is it answering, is it recording, and does every check-in have its fate.

`--ready` is the containers' health check: it asks /readyz alone, since a broken equation is an alarm but no reason to
restart what answers machines, and says nothing while all is well.
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
    address = settings.manage.listen
    try:
        ready = json.loads(_get(settings, "/readyz"))
        if chosen.ready:
            return _say_ready(ready)
        fates, values = _counts(_get(settings, "/metrics").decode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        print(
            f"pentrap status: http://{address}/readyz: {reason}\n    remedy: start it with pentrap serve",
            file=sys.stderr,
        )
        return 1
    accepted = values["pentrap_checkins_accepted_total"]
    balance = accepted - sum(fates.values()) - values["pentrap_checkins_open"]
    state = {
        **ready,
        "accepted": accepted,
        "fates": fates,
        "open": values["pentrap_checkins_open"],
        "difference": balance,
    }
    if chosen.json:
        print(json.dumps(state, indent=1))
    else:
        _show(state, values)
    return 0 if ready["ready"] and not balance else 1


def _say_ready(ready: dict[str, Any]) -> int:
    if ready["ready"]:
        return 0
    print(f"pentrap status: no worker of {ready['workers']['expected']} answers machines", file=sys.stderr)
    return 1


def _get(settings: Settings, path: str) -> bytes:
    request = urllib.request.Request(f"http://{settings.manage.listen}{path}")
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


def _counts(text: str) -> tuple[dict[str, int], dict[str, int]]:
    """Fates by name, and the sum of each other metric over its labels."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - a health check does without

    fates: dict[str, int] = {}
    values: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "pentrap_checkins_total":
                fates[sample.labels["fate"]] = int(sample.value)
            elif sample.name.startswith("pentrap_"):
                values[sample.name] = values.get(sample.name, 0) + int(sample.value)
    return fates, values


def _show(state: dict[str, Any], values: dict[str, int]) -> None:
    workers = state["workers"]
    print(
        f"answering   {'yes' if state['ready'] else 'NO'} ({workers['answering']} of {workers['expected']} workers)"
    )
    print(
        f"recording   {'yes' if state['recording'] else 'NO: ' + ', '.join(state['not_recording_because'])}"
    )
    if state["changed_files_refused"]:
        print("files       REFUSED at the last reload; older ones are in force: pentrap check tells why")
    print(f"accepted    {state['accepted']:>12,}")
    for fate, count in sorted(state["fates"].items(), key=lambda item: -item[1]):
        if count:
            print(f"  {fate:<18}{count:>12,}")
    print(f"  {'still open':<18}{state['open']:>12,}")
    print(f"equation    {'holds' if not state['difference'] else 'BROKEN by ' + str(state['difference'])}")
    print(f"in Parquet  {values['pentrap_segments_rows_total']:>12,} rows")
    dropped = values["pentrap_kernel_dropped_total"]
    print(f"kernel      {dropped:>12,} dropped before us")
