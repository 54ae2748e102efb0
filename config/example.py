"""Writes an example operation in force today into `<folder>/operations/`, and its partner into `<folder>/partners.toml`: an
order lasts at most 60 days, so a committed one would rot.

python config/example.py config
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

SCHEDULE = """domain,family,action,registry,valid_from,valid_until
sinkholed-example.com,andromeda,redirect,example-registry,,
botnet-example.net,urlzone,register,example-registry,,
qhzkwjrtvx-example.org,tinba,redirect,example-registry,{day},{tomorrow}
blocked-example.info,citadel,block,example-registry,,
"""

OPERATION = """# An example operation, written by config/example.py; in force from {day} for 30 days.
operation = "example"

[injunction]
court = "Example District Court"
docket = "0:00-cv-00000"
issued = {day}T00:00:00Z

[answer]
status = 200
header = "X-Sinkhole: malware"

[[domains]]
file = "example.csv"
grace_days = 1

[[services]]
transport = "udp"
port = 16464
family = "zeroaccess"

[[order]]
id = "example-1"
kind = "pen-trap"
docket = "0:00-mc-00000"
issued = {day}T00:00:00Z
starts = {day}T00:00:00Z
ends = {end}T00:00:00Z
officers = ["Example Officer"]
fields = []
retention_days = 90

[[order.annex]]
partner = "example-cert"
columns = []
families = []
countries = []
networks = []
tlp = "AMBER"
"""

PARTNERS = """# Example partners, written by config/example.py; a file that begins otherwise is left alone.
[[partner]]
name = "example-cert"
contact = "duty desk <soc@cert.example>"
purpose = "warn the owners of infected machines"
datasets = ["events", "hosts"]
formats = ["parquet", "shadowserver-csv"]
retention_days = 90
"""


def main(folder: Path) -> None:
    """Write the schedule first, then the operation that names it."""
    today = datetime.now(UTC).date()
    words = {"day": today, "tomorrow": today + timedelta(days=1), "end": today + timedelta(days=30)}
    operations = folder / "operations"
    operations.mkdir(parents=True, exist_ok=True)
    (operations / "example.csv").write_text(SCHEDULE.format(**words))
    (operations / "example.toml").write_text(OPERATION.format(**words))
    partners = folder / "partners.toml"
    if not partners.exists() or partners.read_text().startswith("# Example partners"):
        partners.write_text(PARTNERS)
    print(f"wrote {operations}/example.toml: an example order in force today")
    print("try: curl -i -H 'Host: sinkholed-example.com' http://127.0.0.1:8080/")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
