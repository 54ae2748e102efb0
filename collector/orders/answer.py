"""The answer: one fixed byte string for every HTTP check-in of an operation (law L-15: nothing of the
request is in it).

    HTTP/1.1 200 OK
    X-Sinkhole: malware           the operator's header, if any
    Content-Type: …               only with a notice
    Content-Length: 0             not with 204 (RFC 9110 8.6)
    Connection: close

    the notice, or nothing

An answer must leave the machine as it is, so headers that send it elsewhere, leave state on it or make it
fetch or report something are refused, and a notice is held to a list of harmless markup: no script, no
style, no picture, no form.
"""

import re
from http import HTTPStatus
from pathlib import Path

from pydantic import Field

from collector.ground.errors import ConfigurationError, Problem
from collector.orders.mistakes import Table, read_table, shown
from collector.orders.schedule import quoted

NOTICE_MAX = 4096
"""Bytes of a notice: with its head it fits into one segment train of the smallest initial window (RFC
6928).
"""

HEADER_MAX = 256

REFUSED_HEADERS = {
    "location": "it would send the machine elsewhere",
    "refresh": "it would send the machine elsewhere",
    "content-location": "it names another place",
    "link": "it may make the machine fetch something",
    "set-cookie": "it would leave a mark on the machine",
    "set-cookie2": "it would leave a mark on the machine",
    "strict-transport-security": "it would change how the machine connects later",
    "alt-svc": "it would change where the machine connects later",
    "clear-site-data": "it would delete data on the machine",
    "nel": "it would make the machine report to others",
    "report-to": "it would make the machine report to others",
    "reporting-endpoints": "it would make the machine report to others",
    "www-authenticate": "it would ask for credentials",
    "proxy-authenticate": "it would ask for credentials",
    "upgrade": "the connection ends after the answer",
    "transfer-encoding": "the answer's length is fixed",
    "content-length": "it is written by itself",
    "content-type": "it is written by itself with a notice",
    "connection": "it is written by itself",
}

_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~]+(?:[ \t]+[!-~]+)*)?", re.ASCII
)  # RFC 9110 5.5, 5.6.2
_TAGS = (
    "html|head|title|meta|body|h[1-6]|p|br|hr|ul|ol|li|dl|dt|dd|a|b|i|em|strong|small|code|pre|div|span|"
    "table|tr|td|th"
)
_VALUE = r"""(?:"[^"<>]*"|'[^'<>]*')"""
_LINK = r"""href=(?:"(?:https?://|mailto:|\#)[^"<>]*"|'(?:https?://|mailto:|\#)[^'<>]*')"""
_MARKUP = re.compile(
    rf"<!doctype html>|<!--[^<>]*-->|</?(?:{_TAGS})(?:\s+(?:{_LINK}|(?:lang|dir|charset|id|class)={_VALUE}|"
    rf"""name=["']viewport["']\s+content={_VALUE}))*\s*/?>""",
    re.IGNORECASE | re.ASCII,
)


class Answer(Table):
    """`[answer]` of an operation, `[intake.default_answer]` of the settings."""

    status: int = Field(
        200,
        ge=200,
        le=599,
        description="an HTTP status from 200 to 599, none of 300 to 399 (a sinkhole redirects nobody)",
    )
    header: str = Field("", description='one header as in "X-Sinkhole: malware", or ""')
    notice_file: str = Field("", description='the file of a public notice beside this one, or ""')
    unsealed: bool = Field(
        default=False,
        description="true when the court has unsealed the operation: a notice and `pentrap identity` may tell of it",
    )


def read_answer(table: object, file: str, place: str, folder: Path, problems: list[Problem]) -> bytes:
    """The byte string of an answer table; what is wrong goes to `problems` (and then the bytes are of no
    use).
    """
    answer = read_table(Answer, table, file, place, problems)
    if answer is None:
        return b""
    told = len(problems)
    problems += _status_problems(answer, file, place) + _header_problems(answer, file, place)
    notice = _read_notice(answer, file, place, folder, problems) if answer.notice_file else b""
    return answer_bytes(answer, notice) if len(problems) == told else b""


def is_unsealed(table: object) -> bool:
    """Whether a valid answer table says that the court has unsealed the operation."""
    return isinstance(table, dict) and table.get("unsealed") is True


def operators_header(answer: bytes) -> str:
    """The operator's header line of an answer; empty where it has none."""
    second = answer.partition(b"\r\n")[2].partition(b"\r\n")[0].decode("ascii")
    return second if not second.startswith(("Content-", "Connection:")) else ""


def load_answer(table: object, file: str, place: str, folder: Path) -> bytes:
    """`read_answer` where nothing else is checked along with it: raises ConfigurationError."""
    problems: list[Problem] = []
    answer = read_answer(table, file, place, folder, problems)
    if problems:
        raise ConfigurationError(problems)
    return answer


def answer_bytes(answer: Answer, notice: bytes) -> bytes:
    """The whole answer as it goes over the wire."""
    known = {int(status) for status in HTTPStatus}
    phrase = HTTPStatus(answer.status).phrase if answer.status in known else ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}"]
    if answer.header:
        lines.append(answer.header)
    if notice:
        kind = "html" if notice.lstrip().startswith(b"<") else "plain"
        lines.append(f"Content-Type: text/{kind}; charset=utf-8")
    if answer.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(notice)}")
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("ascii") + notice


def _status_problems(answer: Answer, file: str, place: str) -> list[Problem]:
    if 300 <= answer.status <= 399:
        expected = str(Answer.model_fields["status"].description)
        return [Problem(file, f"{place} status", str(answer.status), expected, "write 200, or 404")]
    if answer.notice_file and answer.status in (204, 205):
        found = f"{answer.status} with a notice_file"
        return [
            Problem(
                file, f"{place} status", found, "a status that may have a body (RFC 9110 15.3)", "write 200"
            )
        ]
    return []


def _header_problems(answer: Answer, file: str, place: str) -> list[Problem]:
    if not answer.header:
        return []
    where = f"{place} header"
    parts = _HEADER.fullmatch(answer.header)
    if parts is None or len(answer.header) > HEADER_MAX:
        expected = f"a name, a colon, a value of printable ASCII; one line of at most {HEADER_MAX} characters"
        return [Problem(file, where, shown(answer.header), expected, 'write it as "X-Sinkhole: malware"')]
    reason = REFUSED_HEADERS.get(parts[1].lower())
    if reason:
        return [Problem(file, where, quoted(parts[1]), f"another header: {reason}", "remove it")]
    return []


def _read_notice(answer: Answer, file: str, place: str, folder: Path, problems: list[Problem]) -> bytes:
    where, shown_name = f"{place} notice_file", shown(answer.notice_file)
    if not answer.unsealed:
        problems.append(
            Problem(
                file,
                f"{place} unsealed",
                f"a notice_file, {shown_name}, without unsealed = true",
                "unsealed = true: the order is sealed and nobody learns of it (18 USC 3123(d))",
                'add unsealed = true once the court has unsealed it, or write notice_file = ""',
            )
        )
    try:
        notice = (folder / answer.notice_file).read_bytes()
    except OSError as error:
        problems.append(
            Problem(
                file, where, f"{shown_name}: {error.strerror}", "a readable file", f"put it into {folder}"
            )
        )
        return b""
    if len(notice) > NOTICE_MAX:
        found = f"{shown_name} of {len(notice)} bytes"
        problems.append(Problem(file, where, found, f"at most {NOTICE_MAX} bytes", "shorten the notice"))
    problems += _markup_problems(notice, file, where)
    return notice


def _markup_problems(notice: bytes, file: str, where: str) -> list[Problem]:
    try:
        text = notice.decode("utf-8")
    except UnicodeDecodeError as error:
        return [
            Problem(
                file, where, f"bytes that are not UTF-8, at offset {error.start}", "UTF-8", "save it as UTF-8"
            )
        ]
    at = _MARKUP.sub(lambda tag: " " * len(tag[0]), text).find("<")
    if at < 0:
        return []
    expected = "plain text, or markup without script, style, picture or form; links to http, https or mailto"
    line = text.count("\n", 0, at) + 1
    return [
        Problem(
            file, where, f"{quoted(text[at : at + 40])} in line {line} of the notice", expected, "remove it"
        )
    ]
