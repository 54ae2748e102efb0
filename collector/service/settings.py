"""`pentrap.toml`: all sections, the environment's overrides, every mistake told at once.

Environment: PENTRAP_<SECTION>__<KEY> and PENTRAP_DATA_DIR, PENTRAP_SENSOR, PENTRAP_OPERATIONS, PENTRAP_PARTNERS
override the file; values
are TOML, and what is no TOML is taken as text. Other PENTRAP_* are ignored, since Kubernetes injects some. Relative paths
count from the file's own folder.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from collector.ground.errors import ConfigurationError, Problem
from collector.intake.settings import IntakeSettings, Networks
from collector.manage.settings import Address, ManageSettings, is_loopback
from collector.orders.answer import read_answer
from collector.orders.mistakes import Table, read_table

PREFIX = "PENTRAP_"
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


class SegmentSettings(Table):
    """`[segments]`."""

    seal_seconds: float | int = Field(
        default=60, ge=0.1, le=3600, description="seconds after which an open journal is sealed, 0.1 to 3600"
    )


class PullSettings(Table):
    """`[pull]`: the partners' interface."""

    listen: Address = Field(
        default="127.0.0.1:8444", description='an address and port such as "127.0.0.1:8444"'
    )
    tls_cert: str = Field(default="", description="a PEM file with the server's certificates")
    tls_key: str = Field(default="", description="a PEM file with the server's key")
    client_ca: str = Field(
        default="", description="a PEM file with the authority that signs partners' certificates"
    )


class ExportSettings(Table):
    """`[export]`: the daily publications."""

    at: str = Field(
        default="02:00",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description='a time of day in UTC such as "02:00"',
    )
    sensors: list[str] = Field(default=[], description="names of all sensors expected; none: this one")
    engine: Literal["duckdb"] = Field(default="duckdb", description='"duckdb"')
    memory_mb: int = Field(default=512, ge=128, description="MB of memory for the export")
    temp_max_gb: int = Field(default=40, ge=1, description="GB of temporary files for the export")
    asn_db: str = Field(default="", description="an .mmdb file with autonomous system numbers")
    geo_db: str = Field(default="", description="an .mmdb file with countries")
    marks: list[str] = Field(default=[], description="CSV files network,mark,source,as_of")
    unfinished_days: bool = Field(
        default=False,
        description="true for demonstrations only: `pentrap export` publishes a day that is not over, as incomplete",
    )
    signing_key: str = Field(default="signing.key", description="an Ed25519 key in OpenSSH form")
    store: Literal[""] = Field(default="", description='"": data_dir; nothing else is implemented')


class IdentitySettings(Table):
    """`[identity]`: what the world may know of us, once an operation is public (`pentrap identity`)."""

    name: Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE)] = Field(
        default="", description="a line of text that names the sinkhole and who runs it"
    )
    contact: Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE)] = Field(
        default="", description='where to write, as "abuse@sinkhole.example"'
    )
    url: Annotated[str, StringConstraints(max_length=200, pattern=r"^(https?://[!-~]+)?$")] = Field(
        default="", description='a page that says more, as "https://sinkhole.example/"'
    )
    addresses: Networks = Field(
        default=[], description='addresses or networks such as "192.0.2.1"; none: those of [intake] listen'
    )


class _Top(Table):
    data_dir: str = Field(
        default="../data", min_length=1, description="the folder for everything that is collected"
    )
    sensor: str = Field(
        default="sinkhole-1",
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="a name of [a-z0-9-], at most 32 characters",
    )
    operations: list[str] = Field(default=["operations/*.toml"], description="patterns of operation files")
    partners: str = Field(default="partners.toml", description="the file that lists partners")


SECTIONS: dict[str, type[Table]] = {
    "intake": IntakeSettings,
    "segments": SegmentSettings,
    "manage": ManageSettings,
    "pull": PullSettings,
    "export": ExportSettings,
    "identity": IdentitySettings,
}


@dataclass(frozen=True)
class Settings:
    """Everything that `pentrap.toml` says. `text` is the file as it was read, for the audit log."""

    file: Path
    text: str
    overrides: tuple[str, ...]
    data_dir: Path
    sensor: str
    operations: tuple[str, ...]
    partners: str
    intake: IntakeSettings
    default_answer: bytes
    segments: SegmentSettings
    manage: ManageSettings
    pull: PullSettings
    export: ExportSettings
    identity: IdentitySettings

    @property
    def signing_key(self) -> Path:
        """The collector's key file."""
        return self.file.parent / self.export.signing_key

    @property
    def databases(self) -> tuple[Path | None, Path | None, tuple[Path, ...]]:
        """The files that addresses are looked up in: AS numbers, countries, marks."""
        of = self.export
        asn, geo = (self.file.parent / name if name else None for name in (of.asn_db, of.geo_db))
        return asn, geo, tuple(self.file.parent / name for name in of.marks)

    @property
    def partners_file(self) -> Path:
        """The file that lists partners; it need not exist where no annex names one."""
        return self.file.parent / self.partners

    def operation_files(self) -> list[Path]:
        """The operation files that the patterns find now, in order of name."""
        found: set[Path] = set()
        for pattern in self.operations:
            base, rest = (
                (Path("/"), pattern.lstrip("/")) if pattern.startswith("/") else (self.file.parent, pattern)
            )
            found.update(base.glob(rest))
        return sorted(found)


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings. Raises ConfigurationError with all problems found."""
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        place = re.search(r"at line (\d+), column \d+", str(error))
        found = error.strerror or "unreadable" if isinstance(error, OSError) else str(error)
        remedy = (
            "name the settings file with --config"
            if isinstance(error, OSError)
            else "correct the syntax there"
        )
        problem = Problem(
            name, f"line {place[1]}" if place else "the file", found, "a TOML file of settings", remedy
        )
        raise ConfigurationError([problem]) from None
    overrides = _override(table, os.environ if environment is None else environment)
    problems: list[Problem] = []
    tables = {section: table.pop(section, {}) for section in SECTIONS}
    top = read_table(_Top, table, name, "", problems)
    parts: dict[str, Any] = {
        section: read_table(model, tables[section], name, f"[{section}]", problems)
        for section, model in SECTIONS.items()
    }
    default_answer = b""
    if parts["intake"] is not None:
        default_answer = read_answer(
            parts["intake"].default_answer, name, "[intake.default_answer]", path.parent, problems
        )
    if parts["manage"] is not None:
        problems += _manage_problems(parts["manage"], name)
    if parts["pull"] is not None:
        problems += _pull_problems(parts["pull"], name)
    if problems or top is None:
        raise ConfigurationError(problems)
    return Settings(
        file=path.absolute(),
        text=text,
        overrides=overrides,
        data_dir=(path.absolute().parent / top.data_dir).resolve(),
        sensor=top.sensor,
        operations=tuple(top.operations),
        partners=top.partners,
        default_answer=default_answer,
        **parts,
    )


def _override(table: dict[str, Any], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Put the environment's values into `table`; the names that were used."""
    used = []
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX):
            continue
        section, _, key = variable.removeprefix(PREFIX).lower().partition("__")
        if key and section in SECTIONS:
            target = table.setdefault(section, {})
        elif not key and section in _Top.model_fields:
            target, key = table, section
        else:
            continue
        if isinstance(target, dict):
            target[key] = _value(text)
            used.append(variable)
    return tuple(used)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _manage_problems(manage: ManageSettings, name: str) -> list[Problem]:
    if is_loopback(manage.listen) or manage.token_file or manage.open:
        return []
    return [
        Problem(
            name,
            "[manage] listen",
            f"{manage.listen}, which others can reach, and neither token_file nor open = true",
            "a token off loopback: metrics say what is recorded, and an order is sealed",
            'set token_file, or open = true where a network policy already guards it, or listen = "127.0.0.1:9464"',
        )
    ]


def _pull_problems(pull: PullSettings, name: str) -> list[Problem]:
    problems = []
    if bool(pull.tls_cert) != bool(pull.tls_key):
        given, missing = ("tls_cert", "tls_key") if pull.tls_cert else ("tls_key", "tls_cert")
        found, expected = f"{given} without {missing}", "both, or neither"
        problems.append(
            Problem(name, f"[pull] {missing}", found, expected, f"set {missing}, or leave out {given}")
        )
    if pull.client_ca and not pull.tls_cert:
        expected = "tls_cert and tls_key too: client certificates are shown within TLS"
        problems.append(
            Problem(name, "[pull] client_ca", "no tls_cert", expected, "set both, or leave out client_ca")
        )
    return problems
