"""Play infected machines against a collector on loopback, open loop; keep a ledger of what each one got.

python loadtest/fleet.py --target 127.0.0.1:8080 --target udp://127.0.0.1:16464 \
    --operation config/operations/example.toml --count 20000 --rate 2000 --ledger /tmp/fleet.csv
"""

import argparse
import json
import random
import resource
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from clients.ledger import Ledger
from clients.listing import Listing, merge, read_operation
from clients.load import LATE_SECONDS, Load
from clients.metrics import Counters, scrape, settled
from clients.plan import DEFAULT_MIX, Plan, parse_mix
from clients.speech import GROUPS, KINDS
from clients.targets import Target, TargetError, parse_target

COUNT_MAX = 5_000_000
RATE_MAX = 50_000.0


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--target", action="append", required=True, help="[tcp://|udp://]ADDRESS:PORT, loopback only"
    )
    parser.add_argument(
        "--operation", action="append", default=[], type=Path, help="operation file: listed domains"
    )
    parser.add_argument(
        "--domain", action="append", default=[], help="a listed domain, without an operation file"
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1000.0, help="check-ins a second, exponential gaps")
    parser.add_argument(
        "--mix", default=DEFAULT_MIX, help=f"GROUP or KIND=WEIGHT,…: {' '.join((*GROUPS, *KINDS))}"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", type=int, default=4096, help="loopback source addresses")
    parser.add_argument("--sample", type=int, default=20_000, help="domains drawn from the schedules")
    parser.add_argument("--timeout", type=float, default=15.0, help="seconds until a check-in is given up")
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--metrics", help="the collector's /metrics, read before and after")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--brief", action="store_true", help="the summary by group instead of by kind")
    form.add_argument("--json", action="store_true", help="the summary as JSON on stdout")
    chosen = parser.parse_args(words)
    if not 0 < chosen.count <= COUNT_MAX or not 0 < chosen.rate <= RATE_MAX:
        parser.error(f"--count is at most {COUNT_MAX}, --rate at most {RATE_MAX:.0f}: loads are bounded")
    return chosen


def targets_of(texts: list[str], listing: Listing) -> list[Target]:
    """The targets, each marked where the listing names it as a service."""
    targets = [parse_target(text) for text in texts]
    return [t._replace(service=any(service.covers(t) for service in listing.services)) for t in targets]


def quantile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def summary(
    chosen: argparse.Namespace, load: Load, seconds: float, counters: dict[str, Counters]
) -> dict[str, object]:
    late = sorted(load.lateness)
    return {
        "command": ["loadtest/fleet.py", *sys.argv[1:]],
        "seed": chosen.seed,
        "made": len(late),
        "seconds": round(seconds, 3),
        "rate_asked": chosen.rate,
        "rate_made": round(len(late) / seconds, 1) if seconds else None,
        "late_over_10_ms": sum(1 for value in late if value > LATE_SECONDS),
        "late_ms": {name: round(quantile(late, part) * 1000, 3) for name, part in
                    (("p50", 0.5), ("p99", 0.99), ("max", 1.0))},
        "outcomes": dict(sorted(load.outcomes.items())),
        "ends": dict(_ends(load)),
        "distinct_http_answers": len(load.answers),
        "metrics": counters,
    }  # fmt: skip


def _ends(load: Load) -> Counter[str]:
    ends: Counter[str] = Counter()
    for key, count in load.outcomes.items():
        ends[key.split()[1]] += count
    return ends


def show(result: dict[str, object]) -> None:
    """The summary for people."""
    outcomes = result["outcomes"]
    assert isinstance(outcomes, dict)
    for key, count in outcomes.items():
        kind, how = key.split()
        print(f"  {kind:<20} {how:<14} {count:>9,}")
    print(
        f"{result['made']:,} check-ins in {result['seconds']} s, asked {result['rate_asked']:.0f}/s, made "
        f"{result['rate_made']}/s; started late by more than 10 ms: {result['late_over_10_ms']}, "
        f"{result['late_ms']} ms; seed {result['seed']}"
    )


def show_brief(result: dict[str, object], sources: int) -> None:
    """The summary by group. `fin` is an answer in its full form; datagrams are never answered."""
    outcomes = result["outcomes"]
    assert isinstance(outcomes, dict)
    groups: Counter[tuple[str, str]] = Counter()
    for key, count in outcomes.items():
        kind, how = key.split()
        groups[KINDS[kind].group, {"fin": "answered"}.get(how, how)] += count
    for group in GROUPS:
        ends = ", ".join(f"{how} {count:,}" for (of, how), count in sorted(groups.items()) if of == group)
        if ends:
            print(f"  {group:<10} {ends}")
    print(
        f"{result['made']:,} check-ins from {sources:,} addresses in {result['seconds']:.1f} s; seed {result['seed']}"
    )


def main() -> int:
    chosen = arguments()
    rng = random.Random(f"{chosen.seed}/sample")
    listings = [read_operation(path, chosen.sample, rng, datetime.now(UTC)) for path in chosen.operation]
    listing = merge([*listings, Listing(tuple(chosen.domain), ())])
    try:
        targets = targets_of(chosen.target, listing)
        mix = parse_mix(chosen.mix, targets)
    except (TargetError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plan = Plan(
        seed=chosen.seed, rate=chosen.rate, count=chosen.count, mix=mix, targets=targets, listing=listing,
        sources=chosen.sources,
    )  # fmt: skip
    counters = {"before": scrape(chosen.metrics)} if chosen.metrics else {}
    ledger = Ledger(chosen.ledger)
    load = Load(ledger, chosen.timeout)
    try:
        seconds = load.run(plan)
    finally:
        ledger.close()
    if chosen.metrics:
        counters["after"] = settled(chosen.metrics)
    result = summary(chosen, load, seconds, counters)
    Path(f"{chosen.ledger}.json").write_text(json.dumps(result, indent=1) + "\n")
    if chosen.json:
        json.dump(result, sys.stdout)
    elif chosen.brief:
        show_brief(result, chosen.sources)
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
