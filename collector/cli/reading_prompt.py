"""The prompt of `pentrap open`. Its history lives in memory only: lines hold addresses."""

import io
import sys
from contextlib import suppress

from collector.cli import reading_output
from collector.cli.reading_output import Count, Form
from collector.custody.views import OrderSession, StatementError

with suppress(ImportError):
    import readline  # noqa: F401 - input() edits lines with it; no history file is ever read or written

HELP = """\
SQL of DuckDB, ended by a semicolon; it may run over several lines. Times are UTC.
    SELECT src_ip, src_port, timestamp FROM events WHERE src_ip = '192.0.2.7' ORDER BY timestamp;
    SELECT day, family, count(*) FROM hosts GROUP BY ALL ORDER BY ALL;
.schema   columns of events and hosts     .lines   one value a line, on or off
.help     this                            .quit    end (also Ctrl-D); Ctrl-C stops a question
"""
SCHEMA = "SELECT table_name AS \"view\", column_name AS \"column\", data_type AS type FROM duckdb_columns() \
WHERE table_name IN ('events', 'hosts') ORDER BY table_name, column_index"


class Prompt:
    """Asks until the officer ends it."""

    def __init__(self, rows: OrderSession, count: Count, form: Form) -> None:
        self._rows = rows
        self._count = count
        self._form = form
        self._asking = sys.stdin.isatty()
        self._failed = False

    def run(self) -> int:
        """0; 2 where a script's statement failed."""
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="surrogateescape")  # what is no text is told with its statement
        if self._asking:
            print("views events and hosts; .help, .quit\n", file=sys.stderr)
        text = ""
        while True:
            try:
                line = input(self._mark(bool(text)))
            except EOFError:
                break
            except KeyboardInterrupt:
                if not self._asking:
                    raise
                print(file=sys.stderr)
                text = ""
                continue
            if not text and line.strip().startswith("."):
                if not self._command(line.strip()):
                    break
                continue
            text += line + "\n"
            if line.rstrip().endswith(";"):
                self._ask(text)
                text = ""
        if text.strip():
            self._ask(text)
        if self._asking:
            print(file=sys.stderr)
        return 2 if self._failed and not self._asking else 0

    def _mark(self, more: bool) -> str:
        if not self._asking:
            return ""
        return "   ...> " if more else "pentrap> "

    def _command(self, line: str) -> bool:
        """Whether to go on."""
        match line:
            case ".quit" | ".exit":
                return False
            case ".help":
                print(HELP, end="")
            case ".schema":
                self._show(SCHEMA)
            case ".lines":
                self._form = "table" if self._form == "lines" else "lines"
                print("one value a line" if self._form == "lines" else "a table")
            case _:
                print(
                    f"{line}: found no such command, expected .help, .schema, .lines or .quit",
                    file=sys.stderr,
                )
        return True

    def _ask(self, text: str) -> None:
        try:
            for statement in self._rows.statements(text):
                self._count()
                self._show(statement)
        except StatementError as error:
            print(error, file=sys.stderr)
            self._failed = True
        except KeyboardInterrupt:
            if not self._asking:
                raise
            print("stopped", file=sys.stderr)

    def _show(self, statement: str) -> None:
        reading_output.show(self._rows.ask(statement), self._form)
