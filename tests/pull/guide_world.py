"""A small day as it is really exported, in all formats, with a supplement and a withdrawal; served to a partner."""

from pathlib import Path

import segment_world
from day_world import DAY_US, Day, entitlement
from partner_side import Served
from segment_world import NOON_US, pack

from collector.exports.withdrawal import Wanted
from collector.ground.codes import Application, Transport, Trust
from collector.ground.record import IPV4_PREFIX

ALL = entitlement(formats=("parquet", "shadowserver-csv", "ocsf-parquet"))
ROWS, LATE = 300, 40
PROBER = "192.0.2.3"
"""An address whose rows turn out to be wrong."""


def check_ins(rules) -> list[bytes]:
    """HTTP and TLS over domains, opaque services, from nine hosts of both families of addresses, a few seconds apart."""
    about = segment_world.subjects_by_operation(rules)["avalanche"]
    sources = [IPV4_PREFIX + bytes([192, 0, 2, last]) for last in range(1, 8)]
    sources += [bytes.fromhex("20010db8") + bytes(11) + bytes([last]) for last in (1, 2)]
    made = []
    for place in range(ROWS + LATE):
        kind, subject = about[place % len(about)]
        application = (Application.HTTP, Application.TLS)[place % 2] if kind == 0 else Application.OPAQUE
        made.append(
            pack(
                time_us=NOON_US + place * 7_000_123,
                src=sources[place % len(sources)],
                src_port=49_152 + place,
                kind=kind,
                subject=subject,
                order=rules.order_ids.index("avalanche-1"),
                application=application,
                transport=Transport.TCP,
                trust=Trust.HANDSHAKE,
            )
        )
    return made


def served_day(folder: Path) -> Served:
    """Three publications for the partner: a day, what came late, and what of both was wrong."""
    (folder / "rules").mkdir(parents=True)
    rules = segment_world.small_rules(folder / "rules")
    served = Served(folder / "collector", lambda path: Day(path, rules))
    day, pieces = served.exports, check_ins(rules)
    day.record(pieces[:ROWS])
    day.seal()
    day.export([ALL])
    day.record(pieces[ROWS:])
    day.export([ALL], now_us=NOON_US + 2 * DAY_US)
    day.enter_withdrawal(Wanted(ALL.order, networks=(PROBER,)), [ALL])
    day.export([ALL], now_us=NOON_US + 3 * DAY_US)
    return served
