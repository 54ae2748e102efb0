"""What partners were given, read off the published files themselves, whatever form they have.

Not what an annex gives today: annexes and databases change, and a published file does not. The statements give one row for each
row of a file, with the file's path, so that it can be said in which file something stands.

    file        the path, as it was named
    stream, record
    src_ip      text
    seen        timestamptz, when it checked in; of a host the last time
    first_seen  timestamptz; the same but for hosts
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from collector.exports.kinds import FileFormat
from collector.exports.manifest import File
from collector.exports.publication import Publication
from collector.exports.query import Ranges, among, quoted, records_in


class GivenFile(NamedTuple):
    """A file of a publication."""

    publication: Publication
    file: File

    @property
    def path(self) -> Path:
        """Where it stands, unless its time is over."""
        return self.publication.folder / self.file.name


def files_of(
    publications: Iterable[Publication], order: str = "", day: date | None = None
) -> list[GivenFile]:
    """Files of check-ins and of hosts, of one order and day or of all; those that are gone among them.

    A withdrawal has files of hosts too, with the whole day anew; its list of rows taken back gives nothing.
    """
    return [
        GivenFile(one, file)
        for one in publications
        if order in ("", one.manifest.order) and day in (None, one.manifest.date)
        for file in one.manifest.files
        if file.dataset != "withdrawn"
    ]


def standing(given: Iterable[GivenFile]) -> list[GivenFile]:
    """Those whose copy is still there."""
    return [one for one in given if one.path.exists()]


def check_ins(given: Sequence[GivenFile]) -> str:
    """The rows of those files that hold check-ins; without any such file, no rows."""
    parts = [
        statement([one.path for one in given if one.file.dataset == "events" and one.file.format == form])
        for form, statement in _CHECK_INS.items()
        if any(one.file.dataset == "events" and one.file.format == form for one in given)
    ]
    return " UNION ALL ".join(parts) or _NOTHING


def hosts(given: Sequence[GivenFile]) -> str:
    """The rows of those files that hold hosts; stream and record are null."""
    paths = [one.path for one in given if one.file.dataset == "hosts"]
    if not paths:
        return _NOTHING
    return (
        "SELECT filename AS file, NULL::VARCHAR AS stream, NULL::BIGINT AS record, src_ip, last_seen AS seen, first_seen"
        f" FROM read_parquet({_listed(paths)}, filename = true, union_by_name = true)"
    )


def had(given: Sequence[GivenFile], keys: str, rows: str) -> str:
    """File, stream and record of what stands in those files of a relation `keys` of (stream, record); `rows` are its rows."""
    of_check_ins = among(check_ins(standing(given)), keys)
    return f"SELECT file, stream, record FROM ({of_check_ins}) UNION ALL {went_into_hosts(given, rows)}"


def went_into_hosts(given: Sequence[GivenFile], rows: str) -> str:
    """File, stream and record of those rows (a statement with the columns of `events`) that files of hosts were made from.

    A host has no record numbers, so it is told by what makes it one, by its first and last time, and by the records that
    its publication and the partner's earlier ones of the day were made from. `given` is all of an order's day.
    """
    kept = [one for one in standing(given) if one.file.dataset == "hosts"]
    if not kept:
        return f"SELECT file, stream, record FROM ({_NOTHING})"
    made_from = " OR ".join(
        f"(h.file = {quoted(str(one.path))} AND ({' OR '.join(map(records_in, _records_until(given, one)))}))"
        for one in kept
    )
    return (
        f"SELECT h.file, w.stream, w.record FROM ({rows}) w JOIN (SELECT filename AS file, * EXCLUDE (filename)"
        f" FROM read_parquet({_listed([one.path for one in kept])}, filename = true, union_by_name = true)) h"
        " USING (src_ip, family, transport, dst_port, application)"
        f" WHERE w.timestamp BETWEEN h.first_seen AND h.last_seen AND ({made_from})"
    )


def _records_until(given: Iterable[GivenFile], last: GivenFile) -> list[Ranges]:
    """What publications were made from, up to this one, each once."""
    manifests = {one.publication.sequence: one.publication.manifest for one in given}
    return [manifest.records for number, manifest in manifests.items() if number <= last.publication.sequence]


_NOTHING = (
    "SELECT '' AS file, '' AS stream, 0::BIGINT AS record, '' AS src_ip, TIMESTAMPTZ 'epoch' AS seen,"
    " TIMESTAMPTZ 'epoch' AS first_seen WHERE false"
)


def _native(paths: Sequence[Path]) -> str:
    return (
        "SELECT filename AS file, stream, record, src_ip, timestamp AS seen, timestamp AS first_seen"
        f" FROM read_parquet({_listed(paths)}, filename = true, union_by_name = true)"
    )


def _reports(paths: Sequence[Path]) -> str:
    seen = "(timestamp || '+00')::TIMESTAMPTZ"
    return (
        f"SELECT filename AS file, {_of_id('event_id')}, src_ip, {seen} AS seen, {seen} AS first_seen"
        f" FROM read_csv({_listed(paths)}, filename = true, union_by_name = true, header = true, all_varchar = true,"
        " delim = ',', quote = '\"', escape = '\"')"
    )


def _ocsf(paths: Sequence[Path]) -> str:
    # The time in microseconds is a text there; `time` itself has milliseconds only.
    seen = "metadata.original_time::TIMESTAMPTZ"
    return (
        f"SELECT filename AS file, {_of_id('metadata.uid')}, src_endpoint.ip AS src_ip, {seen} AS seen, {seen} AS first_seen"
        f" FROM read_parquet({_listed(paths)}, filename = true, union_by_name = true)"
    )


_CHECK_INS: dict[FileFormat, Callable[[Sequence[Path]], str]] = {
    "parquet": _native,
    "shadowserver-csv": _reports,
    "ocsf-parquet": _ocsf,
}


def _of_id(column: str) -> str:
    """Stream and record out of the text that joins them; a stream has dashes of its own."""
    return (
        f"regexp_extract({column}, '^(.*)-[0-9]+$', 1) AS stream,"
        f" regexp_extract({column}, '-([0-9]+)$', 1)::BIGINT AS record"
    )


def _listed(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(quoted(str(path)) for path in paths) + "]"
