"""A collector that lies, forgets or was taken over: nothing that does not verify gets a final name, and it is said why."""

import json
import shutil

import pytest
from aiohttp import web
from mirror import Mirror, Run, given, standing
from partner_side import TODAY_US
from publication_world import Exports

from collector.exports import sshsig
from collector.exports.manifest import MANIFEST, SIGNATURE, SUMS, parse, render, sums
from collector.exports.proof import verify_tree
from collector.ground.errors import ConfigurationError
from collector.pull.errors import PullError, UnreachableError
from collector.pull.patience import Patience

PARQUET = "2026-11-{}-avalanche-1-events-p001.parquet"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three publications, made once."""
    made = Exports(tmp_path_factory.mktemp("collector"))
    for day in range(3):
        made.publish(day, rows=2000, now_us=TODAY_US)
    return made


@pytest.fixture
def mirror(world, tmp_path):
    """They are served from a copy that a test may spoil."""
    shutil.copytree(world.tree, tmp_path / "tree")
    made = Mirror(tmp_path / "tree")
    yield made
    made.stop()


def pull(mirror, world, to, **more):
    return Run(mirror.url, to, (world.public,), **more)


def test_the_truth_comes(mirror, world, tmp_path):
    """The mirror itself is a collector as far as a client can tell."""
    run = pull(mirror, world, tmp_path / "to")
    assert run.error is None
    assert standing(tmp_path / "to") == ["000001", "000002", "000003"]


def changed(place):
    def lie(_, truth):
        at = place if place >= 0 else len(truth) + place
        return truth[:at] + bytes([truth[at] ^ 1]) + truth[at + 1 :]

    return lie


PATH = "/v1/publications/2/"
LIES = {
    "a byte of a file is another": (PATH + PARQUET.format(22), changed(100)),
    "a file is cut short": (PATH + PARQUET.format(22), lambda _, truth: truth[:-1]),
    "a file is longer": (PATH + PARQUET.format(22), lambda _, truth: truth + b"x"),
    "a file is empty": (PATH + PARQUET.format(22), lambda _, truth: b""),
    "a file is absent": (PATH + PARQUET.format(22), lambda _, truth: web.Response(status=404)),
    "a file is another day's": (
        PATH + PARQUET.format(22),
        lambda request, truth: given(request, truth[::-1], tag='"' + "0" * 64 + '"'),
    ),
    "a byte of the manifest is another": (PATH + "manifest.json", changed(40)),
    "the manifest's last byte is gone": (PATH + "manifest.json", lambda _, truth: truth[:-1]),
    "the manifest is not there": (PATH + "manifest.json", lambda _, truth: web.Response(status=404)),
    "the manifest is endless": (PATH + "manifest.json", lambda _, truth: truth + b" " * (17 << 20)),
    "a byte of the signature is another": (PATH + "manifest.json.sig", changed(60)),
    "the signature is not there": (PATH + "manifest.json.sig", lambda _, truth: web.Response(status=404)),
    "the signature is endless": (PATH + "manifest.json.sig", lambda _, truth: truth * 100),
    "the sums are others": (PATH + "SHA256SUMS", changed(3)),
    "the sums are not there": (PATH + "SHA256SUMS", lambda _, truth: web.Response(status=404)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_about_a_publication_is_refused(name, mirror, world, tmp_path):
    """What came before stands; the publication that is lied about, and what comes after it, gets no name."""
    path, lie = LIES[name]
    mirror.lies[path] = lie
    run = pull(mirror, world, tmp_path / "to")
    assert isinstance(run.error, PullError), run.error
    assert "000002" in run.words or "/2/" in run.words
    assert standing(tmp_path / "to") == ["000001"]
    assert not list((tmp_path / "to").rglob("*.parquet.part"))[1:]
    del mirror.lies[path]
    assert pull(mirror, world, tmp_path / "to").error is None
    assert standing(tmp_path / "to") == ["000001", "000002", "000003"]


def test_a_manifest_with_times_that_no_calendar_has_is_refused(mirror, world, tmp_path):
    """Signed by the true key, linked and summed rightly, with dates nobody can count with: malformed, and it gets no name."""
    folder = mirror.tree / "000002"
    for changes in ({"published": "2026-13-45T00:00:00Z"}, {"retention_days": 2**62}):
        manifest = parse((world.tree / "000002" / MANIFEST).read_bytes()).model_copy(update=changes)
        content = render(manifest)
        (folder / MANIFEST).write_bytes(content)
        (folder / SIGNATURE).write_bytes(sshsig.sign(world.key, content))
        (folder / SUMS).write_bytes(sums(manifest, content))
        run = pull(mirror, world, tmp_path / "to")
        assert isinstance(run.error, PullError), changes
        assert f"000002/{MANIFEST}: " in run.words
        assert standing(tmp_path / "to") == ["000001"]


def with_file(number, available, name="2026-11-22-avalanche-1-events-p001.parquet"):
    """The list as it is, but for what it says of one publication's file."""
    files = [{"name": name, "available": available}]
    return lambda _, made: [one | {"files": files} if one["sequence"] == number else one for one in made]


@pytest.mark.parametrize("available", [True, None, 0, "false", [False], {}])
def test_a_file_that_is_kept_back_is_missed(available, mirror, world, tmp_path):
    """Only the plain word that a copy is gone counts as such: without it the publication and what comes after gets no name."""
    mirror.lies[PATH + PARQUET.format(22)] = lambda *_: web.Response(status=404)
    mirror.lies["/v1/publications"] = with_file(2, available)
    run = pull(mirror, world, tmp_path / "to")
    assert "does not give it" in run.words
    assert f"000002/{PARQUET.format(22)}" in run.words
    assert standing(tmp_path / "to") == ["000001"]


@pytest.mark.parametrize(
    ("number", "name"), [(2, PARQUET.format(23)), (3, PARQUET.format(22)), (1, PARQUET.format(22))]
)
def test_the_word_on_another_file_excuses_none(number, name, mirror, world, tmp_path):
    """A file of another name, or of another publication, that is gone says nothing of this one."""
    mirror.lies[PATH + PARQUET.format(22)] = lambda *_: web.Response(status=404)
    mirror.lies["/v1/publications"] = with_file(number, False, name)
    assert "does not give it" in pull(mirror, world, tmp_path / "to").words
    assert "000002" not in standing(tmp_path / "to")


def test_a_lie_that_a_copy_is_gone_is_told_and_ends_with_the_lie(mirror, world, tmp_path):
    """Who has the server but not the key can take files away, never silently: each run tells them, no paper is let off, and
    they come when the list owns to them.
    """
    to, name = tmp_path / "to", PARQUET.format(22)
    mirror.lies["/v1/publications"] = with_file(2, False)
    for _ in range(2):
        run = pull(mirror, world, to)
        assert run.error is None
        assert [one["files"] for one in run.said if one["what"] == "gone"] == [[name]]
        assert standing(to) == ["000001", "000002", "000003"]
        assert [finding.place for finding in verify_tree(to, [world.public]).findings] == [f"000002/{name}"]
        # a run that has not read the list so far asks for the file first
        mirror.lies[PATH + name] = lambda *_: web.Response(status=404)
    assert [path for path, _ in mirror.asked].count(PATH + name) == 1
    mirror.lies.clear()
    run = pull(mirror, world, to)
    assert [one["what"] for one in run.said] == ["repaired"]
    assert not verify_tree(to, [world.public]).findings


def test_the_papers_of_a_publication_whose_copies_are_gone_are_judged_as_any(mirror, world, tmp_path):
    """Without files the chain is all there is: a manifest with a byte changed is refused, and nothing after it comes."""
    mirror.lies["/v1/publications"] = with_file(2, False)
    mirror.lies[PATH + "manifest.json"] = changed(40)
    assert isinstance(pull(mirror, world, tmp_path / "to").error, PullError)
    assert standing(tmp_path / "to") == ["000001"]


def test_a_copy_that_is_kept_back_holds_up_nothing_that_comes_after(mirror, world, tmp_path):
    """What stands here lacks two files, and one is not given: the other comes, new publications come, and the run fails."""
    to = tmp_path / "to"
    shutil.move(mirror.tree / "000003", tmp_path / "later")
    assert pull(mirror, world, to).error is None
    for path in (to / "000002").glob("2026-*"):
        path.unlink()
    shutil.move(tmp_path / "later", mirror.tree / "000003")
    mirror.lies[PATH + PARQUET.format(22)] = lambda *_: web.Response(status=404)
    run = pull(mirror, world, to)
    assert isinstance(run.error, PullError)
    assert f"000002/{PARQUET.format(22)}" in run.words
    assert [one["what"] for one in run.said] == ["repaired", "file", "file", "publication"]
    assert standing(to) == ["000001", "000002", "000003"]
    assert [finding.place for finding in verify_tree(to, [world.public]).findings] == [
        f"000002/{PARQUET.format(22)}"
    ]


def test_every_byte_of_the_small_papers_counts(mirror, world, tmp_path):
    """Signature and sums with any one bit changed are refused: sampled over each whole length."""
    for name in ("manifest.json", "manifest.json.sig", "SHA256SUMS"):
        size = len((mirror.tree / "000001" / name).read_bytes())
        for place in range(0, size, max(1, size // 12)):
            mirror.lies = {f"/v1/publications/1/{name}": changed(place)}
            run = pull(mirror, world, tmp_path / "to")
            assert isinstance(run.error, PullError), (name, place)
            assert standing(tmp_path / "to") == []


def test_another_key_is_refused(mirror, world, tmp_path):
    """What a key signed that was never given nor handed on is refused, with both fingerprints."""
    other = Exports(tmp_path / "other")
    run = Run(mirror.url, tmp_path / "to", (other.public,))
    assert "signed by SHA256:" in run.words
    assert standing(tmp_path / "to") == []


def test_two_publications_swapped_are_refused(mirror, world, tmp_path):
    """A signed publication under another's number is refused."""
    (mirror.tree / "000001").rename(mirror.tree / "x")
    (mirror.tree / "000002").rename(mirror.tree / "000001")
    (mirror.tree / "x").rename(mirror.tree / "000002")
    run = pull(mirror, world, tmp_path / "to")
    assert "publication 2" in run.words
    assert standing(tmp_path / "to") == []


def test_another_partners_publication_is_refused(mirror, world, tmp_path):
    """The same collector's publication for somebody else has another sequence: its chain gives it away."""
    data = tmp_path / "both"
    shutil.copytree(world.folder, data)
    both = Exports(data)
    for day in range(2):
        both.publish(day, partner="somebody-else", now_us=TODAY_US)
    shutil.rmtree(mirror.tree / "000002")
    shutil.copytree(both.data / "exports" / "somebody-else" / "000002", mirror.tree / "000002")
    run = pull(mirror, world, tmp_path / "to")
    assert "follows on" in run.words
    assert standing(tmp_path / "to") == ["000001"]


def test_a_gap_is_refused(mirror, world, tmp_path):
    """A number that the list passes over is missed."""
    shutil.rmtree(mirror.tree / "000002")
    run = pull(mirror, world, tmp_path / "to")
    assert "000002/manifest.json" in run.words
    assert standing(tmp_path / "to") == ["000001"]


def test_a_rollback_is_refused(mirror, world, tmp_path):
    """A collector that has less than what stands here is told from one that has nothing new."""
    assert pull(mirror, world, tmp_path / "to").error is None
    shutil.rmtree(mirror.tree / "000003")
    run = pull(mirror, world, tmp_path / "to")
    assert "no such publication any more" in run.words
    shutil.rmtree(mirror.tree / "000002")
    shutil.rmtree(mirror.tree / "000001")
    assert "no such publication any more" in pull(mirror, world, tmp_path / "to").words
    assert standing(tmp_path / "to") == ["000001", "000002", "000003"]


def forked(world, tmp_path):
    """The same key over another past: the first publication is the same, the second has other rows."""
    data = tmp_path / "forked"
    shutil.copytree(world.folder, data)
    shutil.rmtree(data / "data")
    other = Exports(data)
    for day in range(4):
        other.publish(day, rows=2000 if day == 0 else 7, now_us=TODAY_US)
    assert other.public == world.public
    return other


def test_a_fork_is_refused(mirror, world, tmp_path):
    """A past that was rewritten with the true key is refused, whether the list owns to it or not."""
    assert pull(mirror, world, tmp_path / "to").error is None
    truth = mirror.listed()
    mirror.tree = forked(world, tmp_path).tree
    run = pull(mirror, world, tmp_path / "to")
    assert "another one under this number" in run.words
    # A list that still claims the old hashes: then the next publication does not follow.
    mirror.lies["/v1/publications"] = lambda request, made: [
        one for one in truth + made[-1:] if one["sequence"] > int(request.query["after"])
    ]
    run = pull(mirror, world, tmp_path / "to")
    assert "follows on" in run.words
    assert standing(tmp_path / "to") == ["000001", "000002", "000003"]


@pytest.mark.parametrize(
    "listed",
    [
        b"", b"null", b"7", b"{}", b"[[]]", b'[{"sequence": 1}]', b'[{"sequence": "x", "manifest_sha256": "y"}]',
        b"[" * 100_000, b'{"publications": 1}', b"\xff\xfe", b'[{"sequence": 1e999, "manifest_sha256": ""}]',
    ],
)  # fmt: skip
def test_a_list_that_is_none_stops_it(listed, mirror, world, tmp_path):
    """It is said that no list came; nothing crashes, nothing stands."""
    mirror.lies["/v1/publications"] = lambda request, _: web.Response(body=listed)
    run = pull(mirror, world, tmp_path / "to")
    assert isinstance(run.error, UnreachableError)
    assert standing(tmp_path / "to") == []


@pytest.mark.parametrize("number", [999_999, 4])
def test_a_list_that_promises_more_is_refused(number, mirror, world, tmp_path):
    """What exists comes; the first number that is promised and not given is a gap."""
    mirror.lies["/v1/publications"] = lambda request, made: (
        [*made, {"sequence": number, "manifest_sha256": "0" * 64}] if request.query["after"] == "0" else []
    )
    run = pull(mirror, world, tmp_path / "to")
    assert "000004/manifest.json" in run.words
    assert standing(tmp_path / "to") == ["000001", "000002", "000003"]


def test_a_list_without_an_end_is_left(mirror, world, tmp_path):
    """Pages that go on for ever are bounded: numbers end at 999,999, and pages at a count."""
    mirror.lies["/v1/publications"] = lambda request, _: [
        {"sequence": int(request.query["after"]) + 1, "manifest_sha256": "0" * 64}
    ]
    run = pull(mirror, world, tmp_path / "to")
    assert "pages" in run.words


def test_a_redirect_is_not_followed(mirror, world, tmp_path):
    """The token would go along: it is a mistake in the address, and exit code 2."""
    mirror.lies["/v1/publications"] = lambda request, _: web.Response(
        status=307, headers={"Location": "http://127.0.0.1:1/"}
    )
    run = pull(mirror, world, tmp_path / "to")
    assert isinstance(run.error, ConfigurationError)
    assert "redirects are not followed" in run.words
    assert len(mirror.asked) == 1


def failing(times, answer):
    """An answer that comes a few times, then the truth."""
    left = [times]

    def lie(_, truth):
        left[0] -= 1
        return answer() if left[0] >= 0 else truth

    return lie


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
@pytest.mark.parametrize("path", ["/v1/publications", PATH + "manifest.json", PATH + PARQUET.format(22)])
def test_what_may_pass_is_tried_again(status, path, mirror, world, tmp_path):
    """Two such answers are waited out; more in a row than the patience has are told, and the next run goes on."""
    mirror.lies[path] = failing(2, lambda: web.Response(status=status, headers={"Retry-After": "0"}))
    assert pull(mirror, world, tmp_path / "to").error is None
    mirror.lies[path] = failing(99, lambda: web.Response(status=status))
    run = pull(mirror, world, tmp_path / "other")
    assert isinstance(run.error, UnreachableError)
    assert f"answer {status}" in run.words


def test_a_wait_that_is_asked_for_is_kept(mirror, world, tmp_path):
    """Retry-After is obeyed up to some minutes; beyond that the run ends and says so."""
    import time

    mirror.lies["/v1/publications"] = failing(
        1, lambda: web.Response(status=429, headers={"Retry-After": "1"})
    )
    begin = time.monotonic()
    assert pull(mirror, world, tmp_path / "to").error is None
    assert time.monotonic() - begin >= 1
    mirror.lies["/v1/publications"] = failing(
        1, lambda: web.Response(status=503, headers={"Retry-After": "86400"})
    )
    run = pull(mirror, world, tmp_path / "to")
    assert "86400 s" in run.words


def test_a_server_that_knows_no_ranges_serves_too(mirror, world, tmp_path):
    """Where the whole file comes instead of its rest, it is begun anew, and is right."""
    path = PATH + PARQUET.format(22)
    mirror.lies[path] = lambda request, truth: web.Response(body=truth)
    part = tmp_path / "to" / ".tmp-000002" / f".{PARQUET.format(22)}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"some other bytes")
    run = pull(mirror, world, tmp_path / "to")
    assert run.error is None
    assert run.resumed == 0


def test_a_damaged_part_is_begun_anew(mirror, world, tmp_path):
    """A part of an earlier run with wrong bytes costs one more download, no more."""
    name = PARQUET.format(22)
    part = tmp_path / "to" / ".tmp-000002" / f".{name}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\0" * 500)
    run = pull(mirror, world, tmp_path / "to")
    assert run.error is None
    assert run.resumed == 1
    assert [wanted for path, wanted in mirror.asked if path == PATH + name] == ["bytes=500-", None]


@pytest.mark.parametrize("size", ["whole", "longer"])
def test_a_part_that_is_whole_or_too_long_is_handled(size, mirror, world, tmp_path):
    """One that has every byte is not asked for again; one that has more is begun anew."""
    name = PARQUET.format(22)
    content = (mirror.tree / "000002" / name).read_bytes()
    part = tmp_path / "to" / ".tmp-000002" / f".{name}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content if size == "whole" else content + b"x")
    assert pull(mirror, world, tmp_path / "to").error is None
    assert [wanted for path, wanted in mirror.asked if path == PATH + name] == (
        [] if size == "whole" else [None]
    )


@pytest.mark.parametrize("damage", [lambda content: b"x" * len(content), lambda content: content[:-1]])
def test_a_finished_file_of_an_earlier_run_is_held_against_the_manifest(damage, mirror, world, tmp_path):
    """A file of an earlier run is read again: the right one is kept, one that the manifest does not mean is fetched anew."""
    name, right = PARQUET.format(22), PARQUET.format(21)
    for number, one, content in ((2, name, damage), (1, right, bytes)):
        staged = tmp_path / "to" / f".tmp-00000{number}" / one
        staged.parent.mkdir(parents=True)
        staged.write_bytes(content((mirror.tree / f"00000{number}" / one).read_bytes()))
    assert pull(mirror, world, tmp_path / "to").error is None
    assert (tmp_path / "to/000002" / name).read_bytes() == (mirror.tree / "000002" / name).read_bytes()
    asked = [path for path, _ in mirror.asked]
    assert PATH + name in asked
    assert f"/v1/publications/1/{right}" not in asked


def test_a_number_that_comes_back_with_another_manifest_takes_no_old_file(mirror, world, tmp_path):
    """A collector restored without its last publication makes it anew under its number: what a cut run had brought of the old
    one goes under no other manifest, neither in place of a file that is fetched nor over one that stands.
    """
    to, name = tmp_path / "to", PARQUET.format(23)
    old = (mirror.tree / "000003" / name).read_bytes()
    mirror.lies["/v1/publications/3/2026-11-23-event4_sinkhole-avalanche-1-p001.csv"] = failing(
        99, lambda: web.Response(status=503)
    )
    assert isinstance(pull(mirror, world, to).error, UnreachableError)
    assert (to / ".tmp-000003" / name).read_bytes() == old
    mirror.lies.clear()
    data = tmp_path / "restored"
    shutil.copytree(world.folder, data)
    shutil.rmtree(data / "data" / "exports" / "shadowserver" / "000003")
    made = Exports(data)
    mirror.tree = made.tree
    made.publish(2, rows=9, now_us=TODAY_US)
    assert pull(mirror, world, to).error is None
    new = (made.tree / "000003" / name).read_bytes()
    assert (to / "000003" / name).read_bytes() == new != old
    (to / ".tmp-000003").mkdir()
    (to / ".tmp-000003" / name).write_bytes(old)
    (to / "000003/2026-11-23-event4_sinkhole-avalanche-1-p001.csv").unlink()
    assert pull(mirror, world, to).error is None
    assert (to / "000003" / name).read_bytes() == new
    assert not verify_tree(to, [world.public]).findings


def test_another_range_than_asked_for_is_refused(mirror, world, tmp_path):
    """A 206 that begins elsewhere is never appended."""
    name = PARQUET.format(22)

    def lie(request, truth):
        headers = {"Content-Range": f"bytes 0-{len(truth) - 1}/{len(truth)}"}
        return web.Response(status=206, body=truth, headers=headers)

    mirror.lies[PATH + name] = lie
    part = tmp_path / "to" / ".tmp-000002" / f".{name}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes((mirror.tree / "000002" / name).read_bytes()[:300])
    run = pull(mirror, world, tmp_path / "to")
    assert "another range" in run.words
    assert standing(tmp_path / "to") == ["000001"]


def test_what_a_server_says_is_not_printed(mirror, world, tmp_path):
    """A body, a header or a status line of an answer that is no good is in no message."""
    mirror.lies["/v1/publications"] = lambda request, _: web.Response(
        status=418, text="\x1b[31mCANARY", reason="CANARY", headers={"X-A": "CANARY"}
    )
    run = pull(mirror, world, tmp_path / "to", patience=Patience(1, 0.001, 0.001))
    assert "418" in run.words
    assert "CANARY" not in run.words
    mirror.lies = {PATH + "manifest.json": lambda _, truth: json.dumps({"CANARY": 1}).encode()}
    assert "CANARY" not in pull(mirror, world, tmp_path / "to").words
