"""Partners' tokens: what is kept, what they open and how long, and that no change is without its entry wherever it is
killed.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from publication_world import NOW_US, Exports

from collector.exports import tokens
from collector.exports.tokens import DAY_US, TOKEN, Token, changing, digest, read
from collector.ground.errors import CorruptError

CALLS = "fsync,fdatasync,rename,fchmod,write,openat,unlink"


def changes(world, now_us=NOW_US):
    return changing(world.data, world.log, "p-1", now_us)


def states(world, now_us):
    return [(one.account, one.state(now_us)) for one in read(world.data)]


def test_l20_a_token_is_kept_as_a_hash_and_entered_by_its_beginning(tmp_path):
    """256 bits, shown by `add` alone: the file (0600) has its SHA-256, the log the first twelve digits of that, neither
    the token.
    """
    world = Exports(tmp_path)
    with changes(world) as desk:
        made = [desk.add("cert-a", f"a{n}", 30) for n in range(50)]
    secrets = {secret for secret, _ in made}
    assert len(secrets) == 50
    assert all(TOKEN.fullmatch(secret) and len(secret) == 47 for secret in secrets)
    path = tokens.path_of(world.data)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.sha256 for one in read(world.data)] == [digest(secret) for secret, _ in made]
    kept = path.read_text() + (world.data / "audit/log.jsonl").read_text()
    assert not [secret for secret in secrets if secret[4:] in kept]
    facts = [entry.facts for entry in world.entries("credential_changed")]
    assert facts[0] == {
        "partner": "cert-a",
        "account": "a0",
        "change": "added",
        "tokens": [digest(made[0][0])[:12]],
        "actor": "p-1",
    }


def test_a_token_is_valid_until_it_expires_to_the_microsecond():
    """Half-open, as every window here; revoked outweighs expired."""
    token = Token("00", "cert-a", "main", 0, 10)
    assert [token.state(now) for now in (0, 9, 10, 11)] == ["valid", "valid", "expired", "expired"]
    assert Token("00", "cert-a", "main", 0, 10, 5).state(20) == "revoked"


def test_rotation_overlaps_and_revocation_does_not(tmp_path):
    """The rotated token goes on for the overlap, never beyond its own end; other accounts are left alone; revoked ends
    at once.
    """
    world = Exports(tmp_path)
    with changes(world) as desk:
        desk.add("cert-a", "main", 365)
        desk.add("cert-a", "short", 3)
        desk.add("cert-b", "main", 365)
    with changes(world, NOW_US + DAY_US) as desk:
        desk.rotate("cert-a", "main", 365, 7)
        desk.rotate("cert-a", "short", 365, 7)
    ends = [(one.expires_us - NOW_US) // DAY_US for one in read(world.data)]
    assert ends == [8, 3, 365, 366, 366]
    with changes(world, NOW_US + 2 * DAY_US) as desk:
        assert [one.account for one in desk.revoke("cert-a", "main")] == ["main", "main"]
        assert desk.revoke("cert-a", "main") == []
        assert [one.account for one in desk.revoke("cert-a")] == ["short", "short"]
    assert states(world, NOW_US + 2 * DAY_US) == [
        ("main", "revoked"),
        ("short", "revoked"),
        ("main", "valid"),
        ("main", "revoked"),
        ("short", "revoked"),
    ]
    assert [entry.facts["change"] for entry in world.entries("credential_changed")] == (
        ["added"] * 3 + ["rotated"] * 2 + ["revoked"] * 2
    )


def test_a_file_of_tokens_that_is_none_is_said_to_be(tmp_path):
    """Cut, of another version, with a field too many or a value of another kind: CorruptError with the way out, and nothing
    of its content. What was written is read again, whatever the account is called.
    """
    world = Exports(tmp_path)
    assert read(world.data) == []
    with changes(world) as desk:
        desk.add("cert-a", "main", 1)
        desk.add("cert-a", "the desk's", 3650)
    assert [one.account for one in read(world.data)] == ["main", "the desk's"]
    path = tokens.path_of(world.data)
    good = json.loads(path.read_text())
    more = {"version": 1, "tokens": [good["tokens"][0] | {"canary": 1}]}
    wrong_values = [
        ("sha256", 1),
        ("sha256", "canary"),
        ("partner", 2),
        ("partner", "canary\n"),
        ("account", None),
        ("created_us", "canary"),
        ("expires_us", 1.5),
        ("expires_us", 1 << 62),
        ("revoked_us", ""),
        ("revoked_us", False),
    ]
    for content in (
        "",
        "{",
        "[]",
        json.dumps(good | {"version": 2}),
        json.dumps(more),
        '{"version": 1, "tokens": 7}',
        '{"version": 1, "tokens": [7]}',
        *(
            json.dumps({"version": 1, "tokens": [good["tokens"][0] | {key: value}]})
            for key, value in wrong_values
        ),
    ):
        path.write_text(content)
        with pytest.raises(CorruptError, match="not a list of tokens") as caught:
            read(world.data)
        assert "canary" not in str(caught.value)


def act_rotate(world):
    with changes(world, NOW_US + DAY_US) as desk:
        desk.rotate("cert-a", "main", 365, 7)


def act_revoke(world):
    with changes(world, NOW_US + DAY_US) as desk:
        desk.revoke("cert-a")


def strike(world, act, inject=""):
    trace = world.folder / "trace"
    words = ["strace", "-y", "-s", "0", "-e", f"trace={CALLS}", "-o", str(trace)]
    words += ["-e", f"inject={inject}"] if inject else []
    words += [sys.executable, __file__, act, str(world.folder)]
    path = f"{Path(__file__).parents[2]}:{Path(__file__).parent}"
    environment = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=60)
    return done.returncode, trace


def points(trace, folder):
    """(call, how-manieth of its name) for each call that may leave something behind in the folder."""
    counted: dict[str, int] = {}
    for line in trace.read_text().splitlines():
        match = re.match(r"(\w+)\((.*)", line)
        if match:
            call, rest = match.groups()
            counted[call] = counted.get(call, 0) + 1
            if f"{folder}/data" in rest and not (call == "openat" and "O_CREAT" not in rest):
                yield call, counted[call]


@pytest.mark.skipif(not shutil.which("strace"), reason="needs Debian's strace")
@pytest.mark.parametrize(("act", "every"), [("revoke", 5), ("rotate", 9)])
def test_l21_killed_anywhere_a_change_of_tokens_has_its_entry_and_is_completed(tmp_path, act, every):
    """After each death the file is as before or as after; as after only with the entry there; and the command run again,
    or for a revocation any other command, leaves what an undisturbed one leaves.
    """
    first = Exports(tmp_path / "first")
    with changes(first) as desk:
        desk.add("cert-a", "main", 365)
        desk.add("cert-a", "other", 365)
    first.log.sign()
    first.log.close()
    before = states(first, NOW_US + 9 * DAY_US)

    def fresh(name):
        return Exports(Path(shutil.copytree(first.folder, tmp_path / name)))

    undisturbed = fresh("undisturbed")
    code, trace = strike(undisturbed, act)
    assert code == 0
    expected = states(undisturbed, NOW_US + 9 * DAY_US)
    listed = list(points(trace, undisturbed.folder))
    assert len(listed) > 8
    killed = 0
    for number, (call, when) in list(enumerate(listed))[::every]:
        world = fresh(str(number))
        world.log.close()
        code, _ = strike(world, act, f"{call}:signal=KILL:when={when}")
        killed += code != 0
        entered = len(world.entries("credential_changed")) - 2
        now = states(world, NOW_US + 9 * DAY_US)
        assert now in (before, expected), (call, when)
        assert now == before or entered, (call, when)
        again = Exports(world.folder)
        if act == "revoke" and entered == 2:
            with changes(again, NOW_US + DAY_US) as desk:
                assert desk.valid("cert-a") == []
        elif now == before:
            globals()[f"act_{act}"](again)
        assert states(again, NOW_US + 9 * DAY_US) == expected, (call, when)
        again.log.close()
    assert killed >= len(listed) // every - 1


if __name__ == "__main__":
    globals()[f"act_{sys.argv[1]}"](Exports(Path(sys.argv[2])))
