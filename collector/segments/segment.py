"""The name of a segment: the range is the name.

    data_dir/segments/date=YYYY-MM-DD/<stream>-<first>-<last>.parquet

`first` and `last` are numbers of records in the stream, 20 digits each, both inclusive; so a listing tells
which records are here, and repeating a step that a crash cut off gives the same name again. The folder is
the UTC day of every row's timestamp, in the form that pyarrow, DuckDB and Spark read as a partition column.

    data_dir/quarantine/date=YYYY-MM-DD/<the same name>

A segment in which something was found that should not be there is set aside under the same name (law.md L-17).
"""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

FOLDER = "segments"
QUARANTINE = "quarantine"
DAY_PREFIX = "date="
SUFFIX = ".parquet"
SECONDS_A_DAY = 86_400

_NAME = re.compile(
    r"(?P<stream>[a-z0-9][a-z0-9-]{0,31}\.[0-9]+\.[0-9]{16})-(?P<first>[0-9]{20})-(?P<last>[0-9]{20})\.parquet"
)


class Segment(NamedTuple):
    """One segment file by its name: a UTC day, a stream, its first and last record number."""

    day: date
    stream: str
    first: int
    last: int

    @property
    def rows(self) -> int:
        """How many rows the name promises."""
        return self.last - self.first + 1

    @property
    def sensor(self) -> str:
        """The collector whose stream this is."""
        return sensor_of(self.stream)

    @property
    def name(self) -> str:
        """The file's name within its day's folder."""
        return f"{self.stream}-{self.first:020d}-{self.last:020d}{SUFFIX}"

    def path(self, data_dir: Path) -> Path:
        """Where the file stands."""
        return day_directory(data_dir, self.day) / self.name

    def path_aside(self, data_dir: Path) -> Path:
        """Where the file stands while it is in quarantine."""
        return aside_directory(data_dir, self.day) / self.name


def sensor_of(stream: str) -> str:
    """The sensor of a stream `<sensor>.<worker>.<start>`; a sensor's name holds no dot."""
    return stream.partition(".")[0]


def parse_segment(day: date, name: str) -> Segment | None:
    """Read a file name; None where it is no segment's (an unfinished temporary, a marker, anything else)."""
    match = _NAME.fullmatch(name)
    if match is None or int(match["last"]) < int(match["first"]):
        return None
    return Segment(day, match["stream"], int(match["first"]), int(match["last"]))


def day_directory(data_dir: Path, day: date) -> Path:
    """The folder of one UTC day."""
    return data_dir / FOLDER / f"{DAY_PREFIX}{day.isoformat()}"


def aside_directory(data_dir: Path, day: date) -> Path:
    """The folder of one UTC day's segments in quarantine."""
    return data_dir / QUARANTINE / f"{DAY_PREFIX}{day.isoformat()}"


def parse_day(name: str) -> date | None:
    """The day of a folder's name; None where it is no day's."""
    if not name.startswith(DAY_PREFIX):
        return None
    text = name.removeprefix(DAY_PREFIX)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def day_of(number: int) -> date:
    """The UTC date that is `number` days after 1970-01-01."""
    return datetime.fromtimestamp(number * SECONDS_A_DAY, UTC).date()
