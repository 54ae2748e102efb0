"""How the collector is reached: its address, the account's token, certificates. Every mistake in them is the caller's:
exit code 2.

The token goes to one address only: redirects are not followed, and it never goes over a wire in the clear unless that
was asked for.
"""

import ipaddress
import re
import ssl
import stat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from collector.ground.errors import ConfigurationError, Problem

TOKEN_MAX = 512
"""Characters; the collector's have 47."""
_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{TOKEN_MAX}}}", re.ASCII)


class Access(NamedTuple):
    """Everything that a request needs."""

    url: str
    """Without a slash at the end."""
    token: str
    tls: ssl.SSLContext | None
    """None for http."""

    def __repr__(self) -> str:
        """The token is in no text that anybody might print."""
        return f"Access({self.url})"


def address(text: str, *, insecure: bool = False) -> str:
    """The collector's address in its one form. Raises ConfigurationError."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # as every look-up of a name does: what fails here can be asked of nobody
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("https", "http") or not host or not text.isprintable() or " " in text:
        raise problem(
            "URL", "something else", "https://host[:port]", "copy it from the operator's onboarding sheet"
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        expected = "an address without a user, a query or a fragment"
        raise problem("URL", "an address with more", expected, "give the token with --token-file")
    if parts.scheme == "http" and not insecure and not is_loopback(host):
        found = "http:// to another machine: everybody on the way could read the token, and use it"
        raise problem(
            "URL", found, "https://", "use https, or say --insecure-http inside a tunnel of your own"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether nothing that is sent there leaves the machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path) -> tuple[str, str]:
    """The token, and a warning or nothing. Raises ConfigurationError."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()[: TOKEN_MAX + 2].decode("ascii", "replace").strip()
    except OSError as error:
        found = error.strerror or "unreadable"
        raise problem(f"--token-file {path}", found, "a file with the token", "correct the path") from None
    if not _TOKEN.fullmatch(content):
        found = "an empty file" if not content else "something else"
        raise problem(
            f"--token-file {path}", found, "the token, alone on its line", "copy it whole into the file"
        )
    readable = stat.S_IMODE(mode) & 0o077
    warning = (
        f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}" if readable else ""
    )
    return content, warning


def tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """The machine's authorities or `ca`, and a certificate of ours where one is asked for. Raises ConfigurationError."""
    if key and not certificate:
        raise problem("--client-key", "no --client-cert", "both", "give the certificate too")
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise problem(f"--ca {ca}", _said(error), "a PEM file of certificates", "correct the path") from None
    if certificate:
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            expected = "PEM files of one certificate and its key, the key without a passphrase"
            raise problem(f"--client-cert {certificate}", _said(error), expected, "correct them") from None
    return context


def problem(place: str, found: str, expected: str, remedy: str) -> ConfigurationError:
    """A mistake on the command line or in a file that it names."""
    return ConfigurationError([Problem("pentrap pull", place, found, expected, remedy)])


def _said(error: OSError) -> str:
    return (
        (error.reason or "not usable")
        if isinstance(error, ssl.SSLError)
        else (error.strerror or "unreadable")
    )


def _no_password() -> bytes:
    """Cron has nobody to ask."""
    return b""
