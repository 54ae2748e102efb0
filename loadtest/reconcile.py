"""Compare ledgers of the fleet with what the collector recorded and counted; exit 1 on any disagreement.

python loadtest/reconcile.py --data data /tmp/fleet.csv [--metrics http://127.0.0.1:9464/metrics] [--json]

The rows are read twice, with pyarrow and with DuckDB, and DuckDB matches ledger and rows again with a
join of its own. Counters come from `--metrics` (an address, or a file with a saved page) or from
`<ledger>.json`. `--killed` is for runs in which workers died: then fates need only balance.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import duckdb
from bed.rows import count_arrow, count_duckdb, events, journal_files, read_arrow, segment_files
from clients.ledger import Entry, read_ledger
from clients.match import CLOCK_SLACK_US, UDP_SLACK_US, Verdict, compare, expected_fates
from clients.metrics import Counters, balanced, fate_counts, parse_metrics, scrape

JOIN = f"""
with ledger as (
    select * from read_csv($ledgers, header = true, all_varchar = false,
                           types = {{'domain': 'VARCHAR', 'src_ip': 'VARCHAR', 'dst_ip': 'VARCHAR'}})
), event as (
    select *, epoch_us(timestamp) as time_us from read_parquet($files, hive_partitioning = false)
)
select count(*) filter (where rows = 1), count(*) filter (where rows = 0), count(*) filter (where rows > 1)
from (
    select l.number, l.begin_us, l.src_ip, l.src_port, count(e.record) as rows
    from ledger l left join event e
        on l.src_ip = e.src_ip and l.src_port = e.src_port and l.dst_ip = e.dst_ip and l.dst_port = e.dst_port
       and l.transport = e.transport and l.domain is not distinct from e.domain
       and l.application = e.application
       and e.time_us between l.begin_us - {CLOCK_SLACK_US}
           and l.end_us + if(l.transport = 'udp', {UDP_SLACK_US}, {CLOCK_SLACK_US})
    where l.answered = 1 and l.fate = 'recorded'
    group by all
)
"""


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ledger", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the collector's data_dir, after a stop")
    parser.add_argument("--metrics", help="address of /metrics, or a file with a saved page")
    parser.add_argument("--killed", action="store_true", help="workers died: fates need only balance")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--brief", action="store_true", help="the fates, and one line of what was found")
    form.add_argument("--json", action="store_true")
    return parser.parse_args(words)


def counters_of(chosen: argparse.Namespace) -> tuple[Counters | None, Counters]:
    """The counters after the load, and before it."""
    if chosen.metrics:
        address = str(chosen.metrics)
        page = scrape(address) if "://" in address else parse_metrics(Path(address).read_text())
        return page, {}
    sheets = [json.loads(Path(f"{path}.json").read_text())["metrics"] for path in chosen.ledger
              if Path(f"{path}.json").exists()]  # fmt: skip
    if len(sheets) != len(chosen.ledger) or not all(sheets):
        return None, {}
    return sheets[-1]["after"], sheets[0]["before"]


def join_in_duckdb(ledgers: list[Path], files: list[Path]) -> tuple[int, int, int]:
    """Answered listed check-ins with exactly one, no, or several rows."""
    if not files:
        return (
            0,
            sum(1 for path in ledgers for e in read_ledger(path) if e.answered and e.fate == "recorded"),
            0,
        )
    values = {"ledgers": [str(path) for path in ledgers], "files": [str(file) for file in files]}
    once, never, often = duckdb.connect().execute(JOIN, values).fetchall()[0]
    return once, never, often


def fates_table(
    entries: list[Entry], now: Counters | None, before: Counters, killed: bool
) -> tuple[list[tuple[str, int, int | None, bool]], bool]:
    """(fate, expected, counted, agrees) for each; datagrams that the kernel dropped may be missing."""
    wanted: Counter[str] = expected_fates(entries)
    if now is None:
        return [(fate, count, None, True) for fate, count in wanted.items()], True
    counted = fate_counts(now, before)
    key = "kernel_dropped_total{udp}"
    dropped = int(now.get(key, 0) - before.get(key, 0))
    table, agrees = [], balanced(now)
    for fate, count in counted.items():
        fits = (
            killed
            or count == wanted[fate]
            or (dropped > 0 and wanted[fate] - dropped <= count <= wanted[fate])
        )
        table.append((fate, wanted[fate], count, fits))
        agrees = agrees and fits
    return table, agrees


def judge(chosen: argparse.Namespace) -> dict[str, object]:
    entries = [entry for path in chosen.ledger for entry in read_ledger(path)]
    files = segment_files(chosen.data)
    rows = events(read_arrow(files))
    verdict = compare(entries, list(rows))
    joined = join_in_duckdb(chosen.ledger, files)
    now, before = counters_of(chosen)
    fates, fates_agree = fates_table(entries, now, before, chosen.killed)
    readers_agree = count_arrow(rows) == count_duckdb(files)
    join_agrees = joined == (verdict.answered_recorded, verdict.lost, 0)
    drops = None if now is None else int(
        now.get("kernel_dropped_total{udp}", 0) - before.get("kernel_dropped_total{udp}", 0)
    )  # fmt: skip
    datagrams = drops is None or verdict.datagrams_missing <= drops or chosen.killed
    journals = journal_files(chosen.data)
    return {
        "holds": verdict.holds
        and fates_agree
        and readers_agree
        and join_agrees
        and datagrams
        and not journals,
        "verdict": verdict._asdict(),
        "fates": [{"fate": f, "expected": e, "counted": c, "agrees": a} for f, e, c, a in fates],
        "equation_balanced": None if now is None else balanced(now),
        "kernel_dropped_udp": drops,
        "duckdb_join": dict(zip(("once", "never", "more_than_once"), joined, strict=True)),
        "pyarrow_and_duckdb_count_the_same": readers_agree,
        "journals_left": len(journals),
        "segments": len(files),
    }


def show(result: dict[str, object], verdict: Verdict, *, brief: bool) -> None:
    for name in Verdict._fields[:-1] if not brief else ():
        print(f"  {name:<22} {getattr(verdict, name):>10,}")
    show_fates(result)
    if brief:
        show_findings(result, verdict)
    else:
        for name in ("equation_balanced", "kernel_dropped_udp", "duckdb_join", "pyarrow_and_duckdb_count_the_same",
                     "journals_left", "segments"):  # fmt: skip
            print(f"  {name}: {result[name]}")
    for example in verdict.examples:
        print("  " + example)
    print("ledger and rows agree" if result["holds"] else "DISAGREEMENT")


def show_findings(result: dict[str, object], verdict: Verdict) -> None:
    """What there should be none of, in one line."""
    names = ("lost", "unexpected", "duplicate", "wrong_domain", "wrong_application")
    found = ", ".join(f"{name.replace('_', ' ')} {getattr(verdict, name):,}" for name in names)
    print(
        f"  {verdict.entries:,} check-ins, {verdict.rows:,} rows: {found}; kernel dropped {result['kernel_dropped_udp']}"
    )


def show_fates(result: dict[str, object]) -> None:
    print(f"  {'fate':<22} {'expected':>10} {'counted':>10}")
    fates = result["fates"]
    assert isinstance(fates, list)
    for row in fates:
        if row["expected"] or row["counted"]:
            counted = "-" if row["counted"] is None else f"{row['counted']:,}"
            print(
                f"  {row['fate']:<22} {row['expected']:>10,} {counted:>10}{'' if row['agrees'] else '  DIFFERS'}"
            )


def main() -> int:
    chosen = arguments()
    result = judge(chosen)
    if chosen.json:
        json.dump(result, sys.stdout, indent=1)
    else:
        found = result["verdict"]
        assert isinstance(found, dict)
        show(result, Verdict(**found), brief=chosen.brief)
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
