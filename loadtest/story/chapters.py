"""The chapters, in order, and those of the operator. Each says what is to be seen and lets commands show it; `accounts` counts
behind their backs.
"""

import time
from pathlib import Path

from bed import collector
from clients.metrics import accepted, fate_counts, scrape, settled

from collector.cli.progress import Bar
from story.commands import DoesNotHold, Progress, in_lines, sql
from story.papers import AVALANCHE
from story.partners_side import analyst, partners, proof
from story.play import CONFIG, Play
from story.stage import BOTNET, OPERATOR

MIX = "http=50,tls=14,service=4,udp=10,unlisted=12,broken=5,silent=3,silent_wait=1"
"""All that a sinkhole meets: listed names over HTTP and TLS, service ports, UDP, strangers, broken heads, silence."""
SOURCES = 2000
"""Machines: 127.64.0.1 to 127.64.7.222, which papers.NETWORKS tells countries of."""
SAMPLE = 125
"""Domains that the botnet asks for; the others of the list stay silent."""
PARQUET_SECONDS = 60.0


def papers(play: Play) -> None:
    """The court's papers and what follows from them."""
    play.terminal.say(
        "Two botnets are taken over: one by its domains (avalanche), one by its port (zeroaccess). Injunctions bring"
        " the machines to us; orders, in force today, say what may be recorded of them and to whom it goes."
        " Shadowserver may have everything of avalanche, a CERT what comes from its own country, of both."
    )
    play.run(OPERATOR, f"pentrap check {CONFIG}")


def start(play: Play) -> None:
    """The collector starts."""
    play.terminal.say(
        "The collector: one process a core for the machines, one for Parquet, metrics and partners."
    )
    play.terminal.command(OPERATOR, f"pentrap serve {CONFIG} > serve.log 2>&1 &")
    play.process = collector.start(play.stage.site)
    play.run(OPERATOR, f"pentrap status {CONFIG}")
    play.terminal.say(
        "What it records now, and for whom (the whole page shows dockets too, which are sealed):"
    )
    play.run(
        OPERATOR,
        f"pentrap order show {CONFIG} | \\\n    sed -n -e '/^operation/p' -e '/for whom/,/return due/p'",
    )


def botnet(play: Play) -> None:
    """Machines check in."""
    stage = play.stage
    play.terminal.say(
        f"{play.check_ins:,} check-ins of {SOURCES:,} machines, {play.rate:,} a second: HTTP, TLS, service ports, UDP;"
        " and what else a sinkhole meets: names that nobody listed, broken heads, silence. Every machine's client"
        " notes what it got."
    )
    options = [
        *(f"--target '{target}'" for target in stage.targets),
        *(f"--operation {Path('..', OPERATOR, 'operations', one.name)}" for one in stage.operations),
        f"--metrics {stage.site.metrics}",
        f"--count {play.check_ins} --rate {play.rate} --seed {play.seed}",
        f"--sources {SOURCES} --sample {SAMPLE}",
        f"--mix {MIX}",
        "--ledger ledger.csv --brief",
    ]
    play.run(
        BOTNET,
        in_lines(f"python {play.script('fleet.py')}", options),
        Progress("check-ins", lambda: (min(_accepted(play), play.check_ins - 1), play.check_ins)),
    )
    play.terminal.say("The collector's own account: each check-in has exactly one fate.")
    play.run(OPERATOR, f"pentrap status {CONFIG}")


def reckoning(play: Play) -> None:
    """The ledger held against the rows."""
    _wait_for_parquet(play)
    play.terminal.say(
        "Was each one treated as the order demands? The ledger of the machines against every row in Parquet, read"
        " twice, with pyarrow and with DuckDB:"
    )
    play.run(
        BOTNET,
        f"python {play.script('reconcile.py')} --brief --data {Path('..', OPERATOR, 'data')} ledger.csv",
    )
    play.accounts.take_ledger(play.stage.of(BOTNET) / "ledger.csv", settled(play.stage.site.metrics))
    play.accounts.take_rows(play.stage.site.data)
    play.day = play.accounts.only_day()


def officer(play: Play) -> None:
    """An officer looks."""
    play.terminal.say(
        "An officer reads, under audit: who, why, from when to when is in the log before the first row."
    )
    play.run(
        OPERATOR,
        f'pentrap open {CONFIG} --order {AVALANCHE} --reason "demo: which families" \\\n    -c "'
        "SELECT family, count(*) AS check_ins, count(DISTINCT src_ip) AS addresses,\n"
        '           count(DISTINCT domain) AS domains FROM events GROUP BY ALL ORDER BY check_ins DESC"',
    )
    play.terminal.say(
        "Did the registries do as the court ordered? By registry: domains expected, reached, silent; and those that"
        " are blocked and were asked for all the same."
    )
    play.run(OPERATOR, f"pentrap coverage {CONFIG} --date {play.day}")


def publish(play: Play) -> None:
    """The day is closed and published."""
    play.terminal.say(
        "The day is closed. In earnest that is the night's work, by itself; here the setting unfinished_days lets us"
        " publish a day that is not over, which the publications say of themselves (incomplete)."
    )
    play.run(OPERATOR, f"pentrap export {CONFIG} --date {play.day}")
    play.terminal.say(
        "The second equation, as every manifest has it: recorded = delivered to somebody + withheld, and why."
    )
    play.run(
        OPERATOR,
        sql(
            'SELECT partner, sequence, "order", rows.recorded, rows.delivered,\n'
            "       rows.withheld.filtered, rows.withheld.unknown_country AS unknown\n"
            "FROM read_json('data/exports/*/*/manifest.json') ORDER BY ALL"
        ),
    )
    play.accounts.take_publications(play.stage.site.data)


def _accepted(play: Play) -> int:
    """How many check-ins the collector has taken; 0 where it cannot say just now."""
    try:
        return accepted(scrape(play.stage.site.metrics))
    except OSError:
        return 0


def _wait_for_parquet(play: Play) -> None:
    """Until every recorded check-in is in a segment."""
    bar, until = Bar("rows in Parquet"), time.monotonic() + PARQUET_SECONDS
    while time.monotonic() < until:
        counters = scrape(play.stage.site.metrics)
        recorded, rows = fate_counts(counters)["recorded"], int(counters["segments_rows_total"])
        if rows == recorded:
            bar(1, 1)
            return
        bar(rows, recorded)
        time.sleep(0.2)
    bar(1, 1)
    raise DoesNotHold(f"{rows:,} rows in Parquet after {PARQUET_SECONDS:.0f} s, expected {recorded:,}")


CHAPTERS = (
    ("The court's papers", papers),
    ("The collector starts", start),
    ("The botnet checks in", botnet),
    ("Every check-in accounted for", reckoning),
    ("An officer looks", officer),
    ("The day is closed and published", publish),
    ("Partners fetch what is theirs", partners),
    ("An analyst reads it", analyst),
    ("The proof", proof),
)
