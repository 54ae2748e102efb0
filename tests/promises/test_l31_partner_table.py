"""L-31, L-30: what a token opens, as one table over every file, state of a token and method; and paths that open nothing."""

import http.client
import itertools
import random
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "manage"))

from pull_world import ask_on, listening, raw

from collector.exports.manifest import OWN_NAMES
from collector.exports.publication import publications

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
PARTNERS = ("cert-a", "cert-b")


def published(world, partner):
    """Path and bytes of every file that stands for a partner."""
    return {
        f"/v1/publications/{one.sequence}/{name}": (one.folder / name).read_bytes()
        for one in publications(world.data, partner)
        for name in (*(file.name for file in one.manifest.files), *OWN_NAMES)
    }


@pytest.fixture(scope="module")
def interface(tmp_path_factory):
    with listening(
        tmp_path_factory.mktemp("table"), (("cert-a", 2), ("cert-b", 3), ("cert-gone", 1))
    ) as made:
        yield made


def test_l31_every_partner_file_token_and_method(interface):
    """Each cell of partner's file x token x method is as the rules say: valid tokens (another account's, one rotated and still
    within its overlap, and its successor among them) open their own partner's files and nothing else's; another partner's
    tokens see the same 404 as for what is not there; expired, revoked, rotated away, malformed and no token: 401 for
    everything.
    """
    world = interface.world
    for partner in PARTNERS:
        interface.give(partner, "revoked")
        interface.give(partner, "rotated-after", ago_days=30)
    valid, dead = {}, {}
    for partner in PARTNERS:
        overlapping = interface.give(partner, "overlap", ago_days=3)
        valid[partner] = {
            "valid": interface.give(partner),
            "another account": interface.give(partner, "laptop"),
            "rotated, in overlap": overlapping,
            "rotated, the new one": interface.rotate(partner, "overlap"),
        }
        revoked = interface.give(partner, "revoked-2")
        interface.revoke(partner, "revoked-2")
        gone = interface.give(partner, "rotated-2", ago_days=30)
        interface.rotate(partner, "rotated-2", ago_days=8)
        secret = valid[partner]["valid"]
        dead[partner] = {
            "revoked": revoked,
            "rotated, overlap over": gone,
            "expired": interface.give(partner, "expired", days=1, ago_days=2),
            "malformed: cut": secret[:-1],
            "malformed: longer": secret + "A",
            "malformed: another letter": secret[:-2] + ("A" if secret[-2] != "A" else "B") + secret[-1],
            "malformed: its hash": world.data.name,
            "malformed: two": f"{secret} {secret}",
            "none": "",
        }
    not_a_partner = interface.give("cert-gone")
    interface.settle()
    files = {partner: published(world, partner) for partner in PARTNERS}
    contents = {content for own in files.values() for content in own.values()}
    everything = sorted({path for own in files.values() for path in own})
    everything += [
        "/v1/publications/9/manifest.json",
        "/v1/publications/1/absent.parquet",
        "/v1/publications/1/.lock",
    ]
    tokens = [
        (partner, state, secret, alive)
        for partner in PARTNERS
        for table, alive in ((valid, True), (dead, False))
        for state, secret in table[partner].items()
    ]
    tokens.append(("cert-gone", "of a partner that takes part no longer", not_a_partner, False))
    connection = http.client.HTTPConnection("127.0.0.1", interface.port, timeout=20)
    cells, wrong, not_found = 0, [], set()
    for (partner, state, secret, alive), path, method in itertools.product(tokens, everything, METHODS):
        own = files.get(partner, {}).get(path)
        if not alive:
            expected = 401
        elif "/.lock" in path:
            expected = 404
        elif method not in ("GET", "HEAD"):
            expected = 405
        else:
            expected = 200 if own is not None else 404
        said = ask_on(connection, path, secret, method)
        body = own if expected == 200 and method == "GET" else None
        right = said.status == expected and (body is None or said.body == body)
        if method == "HEAD":
            right = right and said.body == b""
        elif expected == 404:
            right = right and not any(content in said.body for content in contents)
            not_found.add((said.body, *(f"{k}: {v}" for k, v in said.headers.items() if k != "date")))
        elif expected != 200:
            right = right and not any(content in said.body for content in contents)
        cells += 1
        if not right:
            wrong.append((partner, state, path, method, expected, said.status))
    connection.close()
    assert wrong == []
    assert cells == len(tokens) * len(everything) * len(METHODS) > 3500
    assert len(not_found) == 1  # to the byte the same, whether absent or another's


def variants(own: list[str], others: list[str]) -> list[str]:
    """Spellings of files' paths that must not be another way to them, 500 of them and more; the seed is fixed."""
    choice = random.Random(31)
    every = own + others
    found = {
        "/",
        "//",
        "/v1",
        "/v1/",
        "/v2/publications",
        "/V1/publications",
        "/v1/publications/",
        "/v1/publications//",
    }
    for path in every:
        head, sequence, name = path.rsplit("/", 2)
        for partner in PARTNERS:
            found |= {
                f"{head}/{partner}/{sequence}/{name}",
                f"/v1/{partner}/publications/{sequence}/{name}",
                f"{head}/{sequence}/../../{partner}/{int(sequence):06d}/{name}",
                f"/exports/{partner}/{int(sequence):06d}/{name}",
                f"{head}/{sequence}/..%2f..%2f{partner}%2f{int(sequence):06d}%2f{name}",
                f"{head}/..\\{partner}\\{sequence}\\{name}",
            }
        found |= {
            f"{head}/{int(sequence):06d}/{name}",
            f"{head}/0{sequence}/{name}",
            f"{head}/+{sequence}/{name}",
            f"{head}/-{sequence}/{name}",
            f"{head}/{sequence}.0/{name}",
            f"{head}/0x{sequence}/{name}",
            f"{head}/{sequence}e0/{name}",
            f"{head}/{sequence}/./{name}",
            f"{head}/./{sequence}/{name}",
            f"/./v1/publications/{sequence}/{name}",
            f"{head}/{sequence}/{name}/",
            f"{head}/{sequence}//{name}",
            f"/{path}",
            f"{path}/..",
            f"{path}/../{name}",
            f"{path}%00",
            f"{path}%00.parquet",
            f"{path}.",
            f"{path}%20",
            f"{path};a=b",
            f"{path}?",
            f"{path}?x=1",
            f"{path}%3f",
            f"{path}%23",
            f"{head}/{sequence}/%2e%2e/{sequence}/{name}",
            f"{head}/{sequence}/.%2e/{sequence}/{name}",
            f"{head}/{sequence}/..;/{sequence}/{name}",
            f"{head}/{sequence}%2f{name}",
            f"{head}%2f{sequence}/{name}",
            f"{head}/{sequence}\\{name}",
            f"{head}/{sequence}/{name.upper()}",
            f"{head}/{sequence}/{quote(name[0])}%{ord(name[1]):02x}{name[2:]}",
            f"{head}/%{ord(sequence[0]):02x}/{name}",
            f"{head}/{quote(chr(0xFF10 + int(sequence)))}/{name}",
            f"{head}/{quote(chr(0x660 + int(sequence)))}/{name}",
            f"{head}/{sequence}/{name.replace('-', quote(chr(0x2010)))}",
            f"{head}/{sequence}/{name.replace('.', quote(chr(0xFF0E)))}",
            f"{head}/{sequence}/.tmp-{name}",
            f"{head}/{sequence}/*",
            f"{head}/{sequence}/{name}{name}" + "a" * choice.randrange(200),
            f"{head}/{sequence}/" + "a" * choice.randrange(201, 7000),
            f"{head}/{'9' * choice.randrange(7, 4000)}/{name}",
            f"{head}/{sequence}/%c0%ae%c0%ae/{name}",
            f"{head}/{sequence}/%252e%252e/{name}",
        }
        for _ in range(4):
            at = choice.randrange(1, len(path))
            found.add(
                path[:at]
                + choice.choice(
                    ["%00", "%0a", "%0d%0a", "%ff", "%2e", "%2F", "\\", "//", "/./", "%", "~", "*", "%c3%a9"]
                )
                + path[at:]
            )
    for target in (
        "access/tokens.json",
        "signing.key",
        "audit/log.jsonl",
        "pentrap.toml",
        "../../etc/passwd",
    ):
        for up in range(1, 9):
            for step in ("../", "..%2f", "%2e%2e/", "..\\", "....//", "..%5c", "%2e%2e%2f"):
                found.add("/v1/publications/1/" + step * up + target)
                found.add("/" + step * up + target)
        found |= {
            "/" + target,
            "//" + target,
            "/v1/publications//" + target,
            "/v1/schema/" + target,
            "/v1/schema/../" + target,
        }
    odd = ("-1", "01", "1.0", " 1", "%31", "1&after=0", "1;", "a", "1111111", "0x1", "1%00")
    found |= {f"/v1/publications?after={after}" for after in odd}
    found |= {
        "/v1/publications?after=1&partner=cert-b",
        "/v1/publications?partner=cert-b",
        "/v1/publications?before=9",
        "/v1/key/",
        "/v1/key?a",
    }
    return sorted(one for one in found if one not in every)


def test_l31_l30_no_other_spelling_of_a_path_opens_anything(interface):
    """Hundreds of paths with dot segments, encodings, NUL, backslashes, doubled slashes, other alphabets' digits,
    absolute paths, other partners' names and great length: all 404 with the same bytes, and nothing of any file in
    them.
    """
    token = interface.give("cert-a", "paths")
    interface.settle()
    own, others = (sorted(published(interface.world, one)) for one in PARTNERS)
    tried = variants(own, others)
    assert len(tried) >= 500
    expected = interface.ask("/nothing", token).body
    head = f"Host: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    said_by_path = {}
    for path in tried:
        request = f"GET {path.replace(' ', '%20')} HTTP/1.1\r\n{head}"
        said_by_path[path] = raw(interface.port, request.encode("utf-8"))
    wrong = [
        (path, said[:60])
        for path, said in said_by_path.items()
        if not said.startswith(b"HTTP/1.1 404 ") or said.partition(b"\r\n\r\n")[2] != expected
    ]
    assert wrong == []


def test_l30_bytes_that_are_no_request_are_answered_with_400_and_nothing_else(interface):
    """Control characters in the path, no version, a TLS hello, a head without an end: 400 or silence, no byte of theirs
    in it.
    """
    token = interface.give("cert-a", "bytes")
    interface.settle()
    head = f"Host: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    for odd in (
        b"GET /v1/publications/1/canary\0 HTTP/1.1\r\n" + head,
        b"GET /v1/\xc3\xa9canary HTTP/1.1\r\n" + head,
        b"GET /v1/\x01canary HTTP/1.1\r\n" + head,
        b"canary\r\n\r\n",
        b"GET /canary HTTP/7.7\r\n" + head,
        b"GET /canary" + b"a" * 20_000 + b" HTTP/1.1\r\n" + head,
        b"GET / HTTP/1.1\r\ncanary\r\n\r\n",
        b"\x16\x03\x01\x00\x05canary",
    ):
        said = raw(interface.port, odd)
        assert b"canary" not in said
        assert said == b"" or said[9:].startswith(b"400 Bad Request\r\n"), said[:80]
        assert said.count(b"HTTP/1.") <= 1
