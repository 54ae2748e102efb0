"""The partners' interface as its clients see it: ranges, tags, digests, limits, and what the log has heard before the
first byte.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import socket
import threading
import time

import pytest
from pull_world import Exports, Interface, ask_on, listening, raw, until

from collector.audit.log import read_entries
from collector.exports.publication import publications
from collector.ground.clock import now_us
from collector.manage import pull, pull_gate, pull_server, pull_shelf
from collector.manage.pull_access import LOOK_SECONDS
from collector.manage.pull_gate import LIMITS, Account, Bucket, Limits, Strangers, network_of
from collector.manage.pull_range import Wanted, wanted

TAG = '"' + "ab" * 32 + '"'


@pytest.fixture(scope="module")
def interface(tmp_path_factory):
    with listening(tmp_path_factory.mktemp("pull")) as made:
        made.token = made.give("cert-a")
        made.settle()
        yield made


@pytest.fixture(scope="module")
def file(interface):
    """A published file: its path and bytes."""
    one = publications(interface.world.data, "cert-a")[1]
    name = one.manifest.files[0].name
    return f"/v1/publications/2/{name}", (one.folder / name).read_bytes()


@pytest.mark.parametrize(
    ("field", "verdict"),
    [
        ("bytes=0-", (206, 0, 1000)),
        ("bytes=0-0", (206, 0, 1)),
        ("bytes=999-", (206, 999, 1)),
        ("bytes=10-19", (206, 10, 10)),
        ("bytes=0-5000", (206, 0, 1000)),
        ("bytes=-1", (206, 999, 1)),
        ("bytes=-5000", (206, 0, 1000)),
        ("BYTES=1-1", (206, 1, 1)),
        ("bytes=1000-", (416, 0, 0)),
        ("bytes=5000-6000", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=-", (200, 0, 1000)),
        ("bytes=5-4", (200, 0, 1000)),
        ("bytes=0-1,3-4", (200, 0, 1000)),
        ("bytes=a-b", (200, 0, 1000)),
        ("bytes= 0-1", (200, 0, 1000)),
        ("bytes=0-1,", (200, 0, 1000)),
        ("lines=0-1", (200, 0, 1000)),
        ("", (200, 0, 1000)),
        ("bytes=0x1-", (200, 0, 1000)),
        ("bytes=+1-2", (200, 0, 1000)),
        ("bytes=1-2-3", (200, 0, 1000)),
        ("bytes", (200, 0, 1000)),
        ("bytes=\u0661-", (200, 0, 1000)),
        ("bytes=" + "9" * 18 + "-", (416, 0, 0)),
        ("bytes=" + "9" * 400 + "-", (200, 0, 1000)),
    ],
)
def test_each_form_of_a_range_has_its_verdict(field, verdict):
    """One range is given or 416; several, malformed ones, other units and numbers of no size are ignored (RFC 9110, 14.2)."""
    assert wanted(1000, TAG, [field], "", None, None) == Wanted(*verdict)


def test_conditions_in_the_order_of_the_rfc():
    """If-Match before If-None-Match before Range; weak tags count for If-None-Match only; If-Range wants our very tag."""
    other = '"' + "cd" * 32 + '"'
    part = Wanted(206, 1, 2)
    whole = Wanted(200, 0, 1000)
    for if_range, verdict in (
        ("", part),
        (TAG, part),
        ("W/" + TAG, whole),
        (other, whole),
        ("Sat, 21 Nov 2026 10:00:00 GMT", whole),
    ):
        assert wanted(1000, TAG, ["bytes=1-2"], if_range, None, None) == verdict
    for names, status in (
        (TAG, 304),
        ("W/" + TAG, 304),
        (f"{other}, {TAG}", 304),
        ("*", 304),
        (other, 206),
        ("", 206),
    ):
        assert wanted(1000, TAG, ["bytes=1-2"], "", None, names).status == status
    for names, status in (
        (TAG, 206),
        ("*", 206),
        ("W/" + TAG, 412),
        (other, 412),
        (f"{other},{TAG}", 206),
        ("", 412),
    ):
        assert wanted(1000, TAG, ["bytes=1-2"], "", names, None).status == status
    assert wanted(1000, TAG, [], "", other, TAG).status == 412
    assert wanted(0, TAG, ["bytes=0-"], "", None, None).status == 416
    assert wanted(0, TAG, ["bytes=-1"], "", None, None).status == 416
    assert wanted(1000, TAG, ["bytes=1-2", "bytes=3-4"], "", None, None) == whole


def test_a_file_whole_in_part_and_by_its_head(interface, file):
    """200 has length, strong tag and digest of the file; HEAD the same without a body; 206 the range, with the whole's
    digest; 304 and 416 no byte of it.
    """
    path, content = file
    digest = hashlib.sha256(content)
    whole = interface.ask(path, interface.token)
    assert (whole.status, whole.body) == (200, content)
    assert whole.headers["etag"] == f'"{digest.hexdigest()}"'
    assert whole.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", str(len(content)))
    head = interface.ask(path, interface.token, "HEAD", {"Range": "bytes=0-1"})
    assert (head.status, head.body) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k != "date"} == {
        k: v for k, v in whole.headers.items() if k != "date"
    }
    part = interface.ask(
        path, interface.token, headers={"Range": "bytes=4-9", "If-Range": whole.headers["etag"]}
    )
    assert (part.status, part.body) == (206, content[4:10])
    assert part.headers["content-range"] == f"bytes 4-9/{len(content)}"
    assert part.headers["repr-digest"] == whole.headers["repr-digest"]
    assert part.headers["content-length"] == "6"
    changed = interface.ask(path, interface.token, headers={"Range": "bytes=4-9", "If-Range": '"another"'})
    assert (changed.status, changed.body) == (200, content)
    same = interface.ask(path, interface.token, headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", whole.headers["etag"])
    beyond = interface.ask(path, interface.token, headers={"Range": f"bytes={len(content)}-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    assert beyond.headers["content-type"] == "application/problem+json"
    assert json.loads(beyond.body)["status"] == 416
    assert interface.ask(path, interface.token, headers={"If-Match": '"another"'}).status == 412


def test_the_list_says_what_the_manifests_say(interface):
    """Sequence, kind, date, files with hash and address, and the manifest's hash; `after` leaves out what is known; every
    address in it leads to the bytes that it promises.
    """
    stand = publications(interface.world.data, "cert-a")
    listed = json.loads(interface.ask("/v1/publications", interface.token).body)
    assert [one["sequence"] for one in listed] == [1, 2]
    for one, publication in zip(listed, stand, strict=True):
        manifest = publication.manifest
        assert one["date"] == manifest.date.isoformat()
        assert (one["kind"], one["order"], one["complete"], one["published"]) == (
            "day",
            "avalanche-1",
            True,
            manifest.published,
        )
        assert [file["name"] for file in one["files"]] == [file.name for file in manifest.files]
        for file in one["files"]:
            content = interface.ask(file["url"], interface.token).body
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
            assert file["available"] is True
        content = interface.ask(one["manifest_url"], interface.token).body
        assert hashlib.sha256(content).hexdigest() == one["manifest_sha256"]
        assert interface.ask(one["signature_url"], interface.token).body.startswith(
            b"-----BEGIN SSH SIGNATURE"
        )
        assert (
            interface.ask(one["sums_url"], interface.token).body
            == (publication.folder / "SHA256SUMS").read_bytes()
        )
    for after, numbers in ((0, [1, 2]), (1, [2]), (2, []), (999_999, [])):
        told = json.loads(interface.ask(f"/v1/publications?after={after}", interface.token).body)
        assert [one["sequence"] for one in told] == numbers


def test_a_long_list_comes_in_pages(interface, monkeypatch):
    """Beyond LIST_MAX the rest is named by Link (RFC 8288), and `after` with the last number goes on where the page ended."""
    monkeypatch.setattr(pull_shelf, "LIST_MAX", 1)
    first = interface.ask("/v1/publications", interface.token)
    assert [one["sequence"] for one in json.loads(first.body)] == [1]
    assert first.headers["link"] == '</v1/publications?after=1>; rel="next"'
    last = interface.ask("/v1/publications?after=1", interface.token)
    assert [one["sequence"] for one in json.loads(last.body)] == [2]
    assert "link" not in last.headers


def test_the_keys_are_told_with_what_ssh_keygen_takes(interface):
    """/v1/key: fingerprint and validity of every key, and the allowed_signers file."""
    told = json.loads(interface.ask("/v1/key", interface.token).body)
    manifest = publications(interface.world.data, "cert-a")[0].manifest
    assert [(key["fingerprint"], key["state"]) for key in told["keys"]] == [(manifest.key, "current")]
    assert told["keys"][0]["public"] in told["allowed_signers"]
    assert told["keys"][0]["since"]
    assert told["keys"][0]["until"] is None


def test_l21_a_copy_that_is_gone_is_404_and_named_as_gone(tmp_path):
    """After its time a file is 404, its manifest stands, and the list says that it is not available; a folder that no
    entry knows, or whose manifest is another than the entry says, is not given out.
    """
    with listening(tmp_path, (("cert-a", 3),)) as made:
        token = made.give("cert-a")
        made.settle()
        one, other, third = publications(made.world.data, "cert-a")
        (one.folder / one.manifest.files[0].name).unlink()
        (made.world.data / "exports/cert-a/000004").mkdir()
        for path in third.folder.iterdir():
            (made.world.data / "exports/cert-a/000004" / path.name).write_bytes(path.read_bytes())
        listed = json.loads(made.ask("/v1/publications", token).body)
        assert [one["sequence"] for one in listed] == [1, 2, 3]
        assert [file["available"] for file in listed[0]["files"]] == [False, True]
        assert made.ask(listed[0]["files"][0]["url"], token).status == 404
        assert made.ask(listed[0]["manifest_url"], token).status == 200
        assert made.ask("/v1/publications/4/manifest.json", token).status == 404
        grown = other.folder / other.manifest.files[1].name
        grown.write_bytes(grown.read_bytes() + b"x")
        said = made.ask(listed[1]["files"][1]["url"], token)
        assert (said.status, said.headers["content-type"]) == (503, "application/problem+json")
    with Interface(made.world) as made:
        path = third.folder / "manifest.json"
        path.write_bytes(path.read_bytes().replace(b'"AMBER"', b'"GREEN"'))
        assert made.ask("/v1/publications/3/manifest.json", token).status == 503
        assert made.ask("/v1/publications/1/manifest.json", token).status == 200


def test_l20_each_request_with_valid_credentials_is_an_entry(tmp_path):
    """Who, which file, how many bytes from where, and the status: for files, parts, heads, lists, keys, and for what was
    not there; none for requests without valid credentials but a count of them.
    """
    with listening(tmp_path, (("cert-a", 1),)) as made:
        token = made.give("cert-a", "laptop")
        made.settle()
        (one,) = publications(made.world.data, "cert-a")
        name, size = one.manifest.files[0].name, one.manifest.files[0].bytes
        path = f"/v1/publications/1/{name}"
        for asked, method, headers in (
            (path, "GET", {}),
            (path, "GET", {"Range": "bytes=7-10"}),
            (path, "HEAD", {}),
            (path, "GET", {"Range": f"bytes={size}-"}),
            ("/v1/publications", "GET", {}),
            ("/v1/key", "GET", {}),
            ("/canary", "GET", {"X-Canary": "canary"}),
            ("/v1/publications/1/canary", "DELETE", {}),
        ):
            made.ask(asked, token, method, headers)
        for _ in range(3):
            assert made.ask(path, "canary").status == 401
        until(lambda: made.entries("pull_refused"))
        known = {"partner": "cert-a", "account": "laptop"}
        of_file = known | {"sequence": 1, "file": name, "operation": "avalanche", "order": "avalanche-1"}
        entries = made.entries()
        sizes = [facts.pop("bytes") for facts in entries]
        assert entries == [
            of_file | {"status": 200},
            of_file | {"status": 206, "offset": 7},
            of_file | {"status": 200},
            of_file | {"status": 416},
            known | {"sequence": 1, "file": "publications", "status": 200},
            known | {"sequence": 0, "file": "key", "status": 200},
            known | {"sequence": 0, "file": "", "status": 404},
            known | {"sequence": 0, "file": "", "status": 405},
        ]
        assert sizes[:3] == [size, 4, 0]
    assert sum(facts["count"] for facts in made.entries("pull_refused")) == 3
    assert b"canary" not in (made.world.data / "audit" / "log.jsonl").read_bytes()


def test_l21_without_its_entry_a_request_gets_no_byte(tmp_path):
    """The log's disk refuses: 503 with an empty body for files, lists and keys; once it takes entries again, so does
    the interface.
    """
    with listening(tmp_path, (("cert-a", 1),)) as made:
        token = made.give("cert-a")
        made.settle()
        log = made.world.data / "audit" / "log.jsonl"
        assert made.ask("/v1/key", token).status == 200
        before = log.read_bytes()
        moved = log.rename(log.with_name("elsewhere"))
        log.mkdir()  # an open log would go on in the moved file: make it look again
        made.record._log.close()
        made.record._log = None
        for path in ("/v1/publications/1/manifest.json", "/v1/publications", "/v1/key", "/nothing"):
            said = made.ask(path, token)
            assert (said.status, said.body) == (503, b"")
        assert moved.read_bytes() == before
        log.rmdir()
        moved.rename(log)
        time.sleep(1.1)
        assert made.ask("/v1/publications/1/manifest.json", token).status == 200
        assert [facts["status"] for facts in made.entries()] == [200, 200]


def test_a_revocation_counts_within_a_second(interface):
    """A keep-alive connection's next request after `revoke` is refused within a second, without a restart; so is a
    partner that takes part no longer, at once.
    """
    token = interface.give("cert-b", "to be revoked")
    other = interface.give("cert-b", "stays")
    interface.settle()
    connection = http.client.HTTPConnection("127.0.0.1", interface.port, timeout=5)
    assert ask_on(connection, "/v1/key", token).status == 200
    interface.revoke("cert-b", "to be revoked")
    began = time.monotonic()
    until(lambda: ask_on(connection, "/v1/key", token).status == 401, 2)
    assert time.monotonic() - began <= LOOK_SECONDS + 0.4
    assert ask_on(connection, "/v1/key", other).status == 200
    interface.access.partners = frozenset({"cert-a"})
    assert ask_on(connection, "/v1/key", other).status == 401
    interface.access.partners = frozenset({"cert-a", "cert-b"})
    connection.close()


def test_a_broken_file_of_tokens_lets_nobody_in(tmp_path):
    """Garbage, another version, a missing file: 401 for everybody; the file restored: 200."""
    with listening(tmp_path, (("cert-a", 1),)) as made:
        token = made.give("cert-a")
        path = made.world.data / "access" / "tokens.json"
        good = path.read_bytes()
        for content, status in (
            (b"{", 401),
            (good.replace(b'"version": 1', b'"version": 2'), 401),
            (None, 401),
            (good, 200),
        ):
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
            made.settle()
            assert made.ask("/v1/key", token).status == status


def test_failures_are_limited_and_valid_credentials_never_wait(tmp_path):
    """Beyond the burst a source's failures get 429 with Retry-After, another source's get 401 until all together are too
    many; valid credentials from the same source are answered at once all the while.
    """
    limits = LIMITS._replace(source_burst=5, source_rate=0.01, all_burst=12, all_rate=0.01)
    with listening(tmp_path, (("cert-a", 1),), limits=limits) as made:
        token = made.give("cert-a")
        made.settle()
        said = [made.ask("/v1/key", "wrong") for _ in range(8)]
        assert [one.status for one in said] == [401] * 5 + [429] * 3
        assert all(one.headers["content-type"] == "application/problem+json" for one in said)
        assert said[0].headers["www-authenticate"].startswith("Bearer")
        assert int(said[-1].headers["retry-after"]) >= 1
        request = b"GET /v1/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert [raw(made.port, request, f"127.0.0.{n}")[9:12] for n in range(2, 14)] == [b"401"] * 7 + [
            b"429"
        ] * 5
        began = time.monotonic()
        assert made.ask("/v1/key", token).status == 200
        assert time.monotonic() - began < 1


def test_an_accounts_rate_and_a_partners_downloads_are_limited(tmp_path):
    """Beyond its rate an account gets 429, the first with an entry, the others counted in the next; other accounts go on."""
    limits = LIMITS._replace(account_burst=3, account_rate=0.5)
    with listening(tmp_path, (("cert-a", 1),), limits=limits) as made:
        token, other = made.give("cert-a"), made.give("cert-a", "other")
        made.settle()
        said = [made.ask("/v1/key", token) for _ in range(6)]
        assert [one.status for one in said] == [200] * 3 + [429] * 3
        assert [bool(one.body) for one in said] == [True] * 4 + [False] * 2
        assert made.ask("/v1/key", other).status == 200
        time.sleep(2.1)
        assert made.ask("/v1/key", token).status == 200
        told = [(facts["account"], facts["status"], facts.get("refused", 0)) for facts in made.entries()]
        assert told == [("main", 200, 0)] * 3 + [("main", 429, 1), ("other", 200, 0), ("main", 200, 2)]


def large(folder, megabytes=64):
    """A world with one publication of one large file; its content's hash."""
    from publication_world import contents, written

    from collector.exports.publication import publish, stage

    world = Exports(folder)
    with stage(world.data, "cert-a") as staged:
        path = staged / "2026-11-21-avalanche-1-events-p001.parquet"
        block = bytes(range(256)) * 4096
        with path.open("wb") as out:
            for number in range(megabytes):
                out.write(number.to_bytes(4, "big") + block[4:])
        file = written(path, 1, "parquet")
        publish(
            world.log,
            world.data,
            world.key,
            staged,
            contents([file], partner="cert-a"),
            "avalanche",
            now_us(),
        )
    return world, file


def begin(port, path, token, buffer=4096):
    """A request whose answer nobody reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.connect(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return sock


def test_slow_and_aborting_readers_hurt_nobody(tmp_path, monkeypatch):
    """Readers that take nothing fill their partner's share (429 for the partner's next), and nobody else's; they are cut
    off after STALL_SECONDS, readers that go away at once; then the partner is served again, descriptors are back, and
    the file is whole.
    """
    monkeypatch.setattr(pull, "STALL_SECONDS", 2.0)
    world, file = large(tmp_path, 16)
    with Interface(world, limits=LIMITS._replace(under_way=4)) as made:
        token, other = made.give("cert-a"), made.give("cert-b")
        made.settle()
        path = f"/v1/publications/1/{file.name}"
        slow = [begin(made.port, path, token) for _ in range(2)]
        aborting = [begin(made.port, path, token) for _ in range(2)]
        until(lambda: made.api._under_way.get("cert-a") == 4)
        assert made.ask(path, token).status == 429
        began = time.monotonic()
        assert made.ask("/v1/publications", other).status == 200
        assert time.monotonic() - began < 1
        for sock in aborting:
            sock.close()
        until(lambda: made.api._under_way["cert-a"] == 2, 2)
        until(lambda: made.api._under_way["cert-a"] == 0, 6)
        for sock in slow:
            with contextlib.suppress(ConnectionError), sock:
                while sock.recv(1 << 20):
                    pass
        whole = made.ask(path, token)
        assert hashlib.sha256(whole.body).hexdigest() == file.sha256
        until(lambda: not made.server._wires)


def test_a_download_cut_anywhere_is_resumed_to_the_same_hash(tmp_path):
    """Three hundred cuts: read a random piece, hang up, go on with Range and If-Range; always the same file."""
    import random

    choice = random.Random(4)
    world, file = large(tmp_path, 4)
    with Interface(world) as made:
        token = made.give("cert-a")
        made.settle()
        path = f"/v1/publications/1/{file.name}"
        cuts = downloads = 0
        while cuts < 300:
            content = b""
            while len(content) < file.bytes:
                connection = http.client.HTTPConnection("127.0.0.1", made.port, timeout=10)
                connection.putrequest("GET", path)
                connection.putheader("Authorization", f"Bearer {token}")
                if content:
                    connection.putheader("Range", f"bytes={len(content)}-")
                    connection.putheader("If-Range", f'"{file.sha256}"')
                connection.endheaders()
                answer = connection.getresponse()
                assert answer.status == (206 if content else 200)
                content += answer.read(choice.randrange(1, file.bytes // 3))
                connection.close()
                cuts += 1
            downloads += 1
            assert hashlib.sha256(content).hexdigest() == file.sha256
        assert downloads > 20


def test_who_only_connects_is_let_go(interface, monkeypatch):
    """Beyond CONNECTIONS_MAX the connection that has waited longest is cut; a download under way is not."""
    monkeypatch.setattr(pull_server, "CONNECTIONS_MAX", 10)
    first = [socket.create_connection(("127.0.0.1", interface.port)) for _ in range(10)]
    until(lambda: len(interface.server._wires) >= 10)
    more = [socket.create_connection(("127.0.0.1", interface.port)) for _ in range(5)]
    for sock in first[:5]:
        sock.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert sock.recv(1) == b""
    assert interface.ask("/v1/key", interface.token).status == 200
    assert len(interface.server._wires) <= 10
    for sock in (*first, *more):
        sock.close()


def test_pipelined_requests_nobody_reads_do_not_pile_up(interface, monkeypatch):
    """Ten thousand requests in one go without reading: what waits to be sent stays small, and the connection is cut."""
    monkeypatch.setattr(pull, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(pull_server, "FAREWELL_SECONDS", 1.0)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(("127.0.0.1", interface.port))
    sock.settimeout(0.5)
    request = f"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {interface.token}\r\n\r\n".encode()
    with contextlib.suppress(OSError):
        for _ in range(2000):
            sock.sendall(request * 5)
    port = sock.getsockname()[1]

    def wire():
        return next(
            (
                one.wire
                for one in interface.server._wires
                if one.wire and one.wire.get_extra_info("peername")[1] == port
            ),
            None,
        )

    if wire() is not None:
        assert wire().get_write_buffer_size() < 2 << 20
    until(lambda: wire() is None, 8)
    sock.close()


def test_the_gate_s_memory_is_bounded_and_its_arithmetic_right():
    """A bucket gives its burst, then its rate, and says how long to wait; sources are forgotten beyond SOURCES_MAX; an
    IPv6 /64 is one.
    """
    bucket = Bucket(2, 0.5, 0.0)
    assert [bucket.take(0.0), bucket.take(0.0), bucket.take(0.0)] == [True, True, False]
    assert bucket.wait_seconds == 2
    assert [bucket.take(1.9), bucket.take(2.1), bucket.take(2.2)] == [False, True, False]
    assert [bucket.take(1e9), bucket.take(1e9), bucket.take(1e9)] == [True, True, False]
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of("nonsense") == ""
    strangers = Strangers(Limits(source_burst=1, all_burst=10**9), 0.0)
    for number in range(3 * pull_gate.SOURCES_MAX):
        strangers.refuse(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert strangers.remembered == pull_gate.SOURCES_MAX
    assert strangers.due(0.0) == 3 * pull_gate.SOURCES_MAX
    strangers.refuse("192.0.2.1", 1.0)
    assert strangers.due(59.0) == 0
    assert strangers.due(60.0) == 1
    assert strangers.due(200.0) == 0
    account = Account(Limits(account_burst=1, account_rate=0.1), 0.0)
    assert [account.admit(0.0), account.admit(0.0)] == [0, 10]
    assert [account.is_told(0.0), account.is_told(1.0), account.take_refused(), account.take_refused()] == [
        False,
        True,
        2,
        0,
    ]


def test_entries_of_many_at_once_are_all_there(tmp_path):
    """Sixteen clients at once, two partners: every answer has its entry, and the log verifies."""
    with listening(tmp_path) as made:
        tokens = [made.give(partner, f"a{n}") for partner in ("cert-a", "cert-b") for n in range(8)]
        made.settle()
        statuses = []

        def ask(token):
            statuses.extend(made.ask("/v1/publications/1/manifest.json", token).status for _ in range(10))

        threads = [threading.Thread(target=ask, args=(token,)) for token in tokens]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 160
        assert len(made.entries()) == 160
    made.world.log.sign()
    numbers = [entry.number for entry in read_entries(made.world.data / "audit")]
    assert numbers == list(range(1, len(numbers) + 1))
