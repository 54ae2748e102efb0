"""Whether the partners' interface can have its address and its certificate: asked before a start, and by `check`."""

import socket
import ssl

from collector.exports.partners import read_partners
from collector.ground.errors import Problem
from collector.manage.settings import is_loopback, split_address
from collector.service.settings import Settings


def start_problems(settings: Settings) -> list[Problem]:
    """What would keep it from listening now. None where partners.toml names nobody: then it does not listen."""
    return [*tls_problems(settings), *_address_problems(settings)] if takes_part(settings) else []


def takes_part(settings: Settings) -> bool:
    """Whether there is anybody who could ask."""
    return bool(read_partners(settings.partners_file, []))


def tls_problems(settings: Settings) -> list[Problem]:
    """What is wrong with certificate, key and authority, as files."""
    pull, folder = settings.pull, settings.file.parent
    if not pull.tls_cert:
        return []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    problems = []
    try:
        context.load_cert_chain(folder / pull.tls_cert, folder / pull.tls_key)
    except OSError as error:
        found = f"{pull.tls_cert} with {pull.tls_key}: {_why(error)}"
        expected = "PEM files of a certificate chain and its key, without a passphrase"
        problems.append(_problem(settings, "tls_cert", found, expected, "correct the names, or the files"))
    try:
        if pull.client_ca:
            context.load_verify_locations(folder / pull.client_ca)
    except OSError as error:
        found = f"{pull.client_ca}: {_why(error)}"
        expected = "a PEM file of the authority that signs partners' certificates"
        problems.append(_problem(settings, "client_ca", found, expected, "correct the name, or the file"))
    return problems


def notes(settings: Settings) -> list[Problem]:
    """What is lawful, and worth a second look."""
    pull = settings.pull
    if is_loopback(pull.listen) or pull.tls_cert or not takes_part(settings):
        return []
    found = f"{pull.listen}, which others can reach, without TLS"
    expected = "TLS, here or in front of it: tokens and sealed files would pass in the clear"
    remedy = 'set tls_cert and tls_key; or let nobody but a TLS proxy reach it; or listen = "127.0.0.1:8444"'
    return [_problem(settings, "listen", found, expected, remedy)]


def why_not(listen: str) -> str:
    """Why nobody could listen on an address such as 127.0.0.1:8444 now; "" where somebody could."""
    host, port = split_address(listen)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen()
        except OSError as error:
            return _why(error)
    return ""


def _address_problems(settings: Settings) -> list[Problem]:
    if not (reason := why_not(settings.pull.listen)):
        return []
    found, expected = (
        f"{settings.pull.listen}: {reason}",
        "an address of this machine and a free port, since partners.toml names partners",
    )
    return [_problem(settings, "listen", found, expected, "stop what has the port, or choose another")]


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _problem(settings: Settings, key: str, found: str, expected: str, remedy: str) -> Problem:
    return Problem(str(settings.file), f"[pull] {key}", found, expected, remedy)
