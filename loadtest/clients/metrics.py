"""The collector's counters, read from /metrics as text (Prometheus exposition format 0.0.4)."""

import re
import time
import urllib.request

LINE = re.compile(r"^pentrap_(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)")
LABEL = re.compile(r'\w+="([^"]*)"')
Counters = dict[str, float]
FATES = (
    "recorded", "suppressed_probe", "suppressed_scope", "suppressed_clock", "suppressed_window",
    "rejected_silent", "rejected_proxy", "rejected_parse", "dropped_overload", "dropped_disk",
    "dropped_crash",
)  # fmt: skip


def parse_metrics(text: str) -> Counters:
    """`name` or `name{value,…}` (label values only, in order) to its value; only Pentrap's own."""
    found: Counters = {}
    for line in text.splitlines():
        if match := LINE.match(line):
            labels = ",".join(LABEL.findall(match["labels"] or ""))
            found[match["name"] + (f"{{{labels}}}" if labels else "")] = float(match["value"])
    return found


def scrape(url: str) -> Counters:
    """The counters now. Loopback only is the caller's promise: the address comes from a command line."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return parse_metrics(response.read().decode())


def settled(url: str, seconds: float = 15.0) -> Counters:
    """The counters once nothing is open any more and nothing changes, or after `seconds`."""
    until = time.monotonic() + seconds
    before: Counters = {}
    while True:
        now = scrape(url)
        fates = {name: value for name, value in now.items() if name.startswith("checkins")}
        if (now.get("checkins_open", 0) == 0 and fates == before) or time.monotonic() > until:
            return now
        before = fates
        time.sleep(0.3)


def fate_counts(counters: Counters, before: Counters | None = None) -> dict[str, int]:
    """Check-ins by fate, less what had been counted before."""
    before = before or {}
    key = "checkins_total{%s}"
    return {fate: int(counters.get(key % fate, 0) - before.get(key % fate, 0)) for fate in FATES}


def accepted(counters: Counters, before: Counters | None = None) -> int:
    """Check-ins accepted over all transports, less what had been counted before."""
    before = before or {}
    names = [name for name in counters if name.startswith("checkins_accepted_total")]
    return int(sum(counters[name] - before.get(name, 0) for name in names))


def balanced(counters: Counters) -> bool:
    """The equation: accepted = sum of fates + open."""
    return accepted(counters) == sum(fate_counts(counters).values()) + int(counters.get("checkins_open", 0))
