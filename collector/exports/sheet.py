"""The onboarding sheet: what a partner needs to pull, and what it undertakes. Plain text, without the token.

Everything in it is the partner's own: its grants by order alias, nothing of docket, court or agency.
"""

from collections.abc import Sequence
from typing import NamedTuple

from collector.exports import sshsig
from collector.exports.keys import SigningKey
from collector.exports.kinds import Entitlement

_INTELMQ = """\
collector:
  module: intelmq.bots.collectors.file.collector_file
  parameters:
    path: /srv/pentrap/intelmq/     # hard links of the files, each once: what was read is deleted
    postfix: .csv
    delete_file: true
    chunk_size: 10000000
    chunk_replicate_header: true
    name: Sinkhole check-ins
    provider: Pentrap
parser:
  module: intelmq.bots.parsers.shadowserver.parser
  parameters:
    auto_update: true               # the report's type stands in the file's name
"""


class Sheet(NamedTuple):
    """What the sheet is about."""

    partner: str
    account: str
    contact: str
    url: str
    """Without a slash at its end."""
    expires: str
    keys: Sequence[SigningKey]
    grants: Sequence[Entitlement]
    client_certificate: bool


def text(sheet: Sheet) -> str:
    """The whole sheet."""
    parts = (
        _head(sheet),
        _keys(sheet),
        _grants(sheet),
        _how(sheet),
        _duties(sheet),
    )
    return "\n".join(parts)


def _head(sheet: Sheet) -> str:
    certificate = (
        "\nclient certificate   asked for too: one of the authority agreed upon"
        if sheet.client_certificate
        else ""
    )
    return f"""\
Publications for {sheet.partner} (account {sheet.account}; contact on file: {sheet.contact})

address              {sheet.url}/v1/publications
token                given apart; expires {sheet.expires}. Keep it in a file that only you can read{certificate}
about the interface  {sheet.url}/v1/openapi.json
"""


def _keys(sheet: Sheet) -> str:
    known = [key for key in sheet.keys if key.state != "former"]
    lines = [sshsig.public_line(key.public) for key in known] or [
        "none yet: it is made when the collector first starts"
    ]
    prints = [f"{key.fingerprint}  {key.state}" for key in known]
    return f"""\
Signing key, for a file pentrap.pub:
{_indented(chr(10).join(lines))}
Compare its fingerprint by telephone before you trust it; ssh-keygen -lf pentrap.pub shows:
{_indented(chr(10).join(prints))}"""


def _grants(sheet: Sheet) -> str:
    if not sheet.grants:
        return "Granted: nothing yet; no order in force names this partner.\n"
    lines = ["Granted, by order:"]
    for one in sheet.grants:
        lines += [
            f"    {one.order}",
            f"        datasets   {', '.join(_carried(one))}",
            f"        formats    {', '.join(one.formats)}",
            f"        columns    {', '.join(one.columns) or 'all of the dataset'}",
            *(
                f"        {name:<10} {', '.join(words)}"
                for name, words in (
                    ("families", one.families),
                    ("countries", one.countries),
                    ("networks", one.networks),
                )
                if words
            ),
            f"        marking    TLP:{one.tlp}",
            f"        keep       {one.retention_days} days from publication at most, then delete",
        ]
    return "\n".join(lines) + "\n"


def _carried(one: Entitlement) -> list[str]:
    """The datasets that a format of the partner's can carry: hosts come as Parquet only, and are not promised without."""
    return [name for name in one.datasets if name != "hosts" or "parquet" in one.formats]


def _how(sheet: Sheet) -> str:
    url = sheet.url
    return f"""\
How to fetch and read, step by step: the guide for partners (deploy/PARTNERS.md of Pentrap's source). In short,

with pentrap's own client (lists, resumes, verifies signature, hashes and the chain):
    pentrap pull {url} --token-file token --key pentrap.pub --to publications

with curl (-C - resumes); the header in a file, so that no list of processes shows it:
    (umask 077; printf 'Authorization: Bearer %s\\n' "$(cat token)" > header)
    curl -H @header '{url}/v1/publications?after=0'
    curl -H @header -C - -O {url}/v1/publications/SEQUENCE/FILE

the signature, with OpenSSH's own tool:
    sed 's/^/{sshsig.PRINCIPAL} namespaces="{sshsig.NAMESPACE}" /' pentrap.pub > allowed_signers
    ssh-keygen -Y verify -f allowed_signers -I {sshsig.PRINCIPAL} -n {sshsig.NAMESPACE} -s manifest.json.sig < manifest.json

with DuckDB, without downloading:
    INSTALL httpfs; LOAD httpfs;
    CREATE SECRET pentrap (TYPE http, SCOPE '{url}/', BEARER_TOKEN 'TOKEN');
    FROM read_parquet('{url}/v1/publications/SEQUENCE/FILE.parquet');

with IntelMQ (the Shadowserver-shaped CSV files):
{_indented(_INTELMQ)}"""


def _duties(sheet: Sheet) -> str:
    marking = ", ".join(sorted({f"TLP:{one.tlp}" for one in sheet.grants})) or "its TLP"
    return f"""\
Duties
    - Each file is shared under {marking} (TLP 2.0, FIRST); each file says its own.
    - The order behind it is sealed (18 USC 3123(d)): its existence is not to be told beyond what warning victims needs.
    - Use: the purpose that the files name, and no other.
    - Delete every copy when its days are over, and rows at once that a later publication withdraws.
    - Tell us at once when a token may be known to others: it is revoked within a minute. Every request is in our audit log.
"""


def _indented(block: str) -> str:
    return "".join(f"    {line}\n" for line in block.splitlines())
