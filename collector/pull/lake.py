"""The layout that Amazon Security Lake wants of a custom source, beside the publications and not in their place.

    DIR/security-lake/region=<R>/accountId=<A>/eventDay=<yyyyMMdd>/<file>

OCSF files only, as hard links: the same bytes take no more room, DIR/<NNNNNN> stays as it was published and verifies,
and a link is there at once, whole. `aws s3 sync DIR/security-lake s3://<bucket>/ext/<source>` does the rest. Names are
unique over all publications, so days and orders meet in one folder without a clash. A withdrawal's files are not laid
out: they name rows to be taken away, and in the lake they would be counted as new events.
"""

import os
import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

from collector.ground.files import make_directory, sync_directory
from collector.pull.access import problem
from collector.pull.errors import PullError
from collector.pull.holdings import Stood

FOLDER = "security-lake"
_REGION = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class Lake(NamedTuple):
    """Where the lake's prefixes begin."""

    folder: Path
    region: str
    account: str

    def lay(self, published: Path, stood: Stood) -> None:
        """Link what of a publication belongs there; what is there already stays. Raises PullError, OSError."""
        wanted = [file.name for file in stood.files if file.format == "ocsf-parquet"]
        if stood.kind == "withdrawal" or not wanted:
            return
        target = self.of_day(stood.day)
        for name in wanted:
            if (target / name).exists() or not (published / name).exists():
                continue
            make_directory(target)
            try:
                os.link(published / name, target / name)
            except FileExistsError:
                continue
            except OSError as error:
                raise PullError(
                    str(target / name),
                    f"no hard link ({error.strerror})",
                    "a file system with hard links",
                    "use another folder, or --layout plain and copy",
                ) from None
            sync_directory(target)

    def of_day(self, day: date) -> Path:
        """The folder of a day's files."""
        prefix = f"region={self.region}/accountId={self.account}/eventDay={day:%Y%m%d}"
        return self.folder / FOLDER / prefix


def lake(folder: Path, region: str, account: str) -> Lake:
    """Raises ConfigurationError."""
    if not _REGION.fullmatch(region):
        found = "nothing" if not region else "something else"
        raise problem("--region", found, "a region as eu-central-1", "name the lake's region")
    if not _ACCOUNT.fullmatch(account):
        expected = "an account's 12 digits, or external where the records belong to none"
        raise problem("--account", "nothing" if not account else "something else", expected, "name it")
    return Lake(folder, region, account)
