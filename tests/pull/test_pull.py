"""`pentrap pull` as a partner runs it, against the real interface: what comes, what stands, what is said."""

import filecmp
import os
import shutil
import signal
import subprocess
import time

import pytest
from authority import Authority
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mirror import standing
from partner_side import TODAY_US, run, verify
from publication_world import DAY, ORDER, PARTNER, contents, written

from collector.audit.key import read_key
from collector.exports import sshsig
from collector.exports.expiry import expire
from collector.exports.kinds import Entitlement
from collector.exports.publication import publish, stage
from collector.manage.pull_server import context_of

PARQUET = "2026-11-21-avalanche-1-events-p001.parquet"
CSV = "2026-11-21-event4_sinkhole-avalanche-1-p001.csv"


def test_everything_that_stands_comes_and_verifies(served, tmp_path):
    """A first pull brings every publication byte for byte; `pentrap verify` finds nothing wrong; a second finds nothing new."""
    served.publish(0, 1, 2)
    to = tmp_path / "to"
    pulled = served.pull(to)
    assert (pulled.code, pulled.err) == (0, ""), pulled.err
    for number in ("000001", "000002", "000003"):
        names = sorted(path.name for path in (to / number).iterdir())
        there = sorted(path.name for path in (served.exports.tree / number).iterdir())
        assert names == there
        assert filecmp.cmpfiles(to / number, served.exports.tree / number, names, shallow=False)[0] == names
        assert all((to / number / name).stat().st_mode & 0o777 == 0o600 for name in names)
    checked = verify(str(to), "--key", str(served.key))
    assert checked.code == 0, checked.out
    again = served.pull(to)
    assert again.code == 0
    assert "nothing new" in again.out
    served.publish(3)
    third = served.pull(to, "--json")
    assert [one["sequence"] for one in third.of("publication")] == [4]
    assert third.of("done")[0]["head"].startswith("4:")
    assert verify(str(to), "--head", third.of("done")[0]["head"]).code == 0


def test_what_scripts_read(served, tmp_path):
    """`--json`: an object for each file and publication, in the order in which they come to stand; the token in none."""
    served.publish(0)
    pulled = served.pull(tmp_path / "to", "--json")
    assert [one["what"] for one in pulled.said] == ["file", "file", "publication", "done"]
    file, publication = pulled.said[0], pulled.said[2]
    assert (tmp_path / "to/000001" / file["name"]).stat().st_size == file["bytes"]
    assert file["path"] == str(tmp_path / "to/000001" / file["name"])
    assert {"sha256", "rows", "dataset", "format", "schema_version"} <= set(file)
    assert publication["kind"] == "day"
    assert publication["rows"] == {"events": 5}
    assert publication["files"] == 2
    assert publication["folder"] == str(tmp_path / "to/000001")
    assert served.token.read_text().strip() not in pulled.out + pulled.err


def test_nothing_published_is_no_failure(served, tmp_path):
    """A partner for whom nothing stands yet gets exit code 0, and an empty folder."""
    pulled = served.pull(tmp_path / "to")
    assert (pulled.code, standing(tmp_path / "to")) == (0, [])


def test_trust_on_first_use_pins_the_key_and_says_so(served, tmp_path):
    """The first signer's key goes to trusted.key, loudly; later runs take that one and no other."""
    served.publish(0)
    to = tmp_path / "to"
    assert served.pull(to, no_key=True).code == 2
    first = served.pull(to, "--trust-first-use")
    assert first.code == 0
    assert "TRUSTED ON FIRST USE: " + sshsig.fingerprint(served.exports.public) in first.err
    assert sshsig.public_line(served.exports.public) in (to / "trusted.key").read_text()
    served.publish(1)
    again = served.pull(to, "--trust-first-use")
    assert (again.code, again.err) == (0, "")
    assert verify(str(to), "--key", str(to / "trusted.key")).code == 0
    stranger = sshsig.public_line(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    (to / "trusted.key").write_text(stranger + "\n")
    served.publish(2)
    refused = served.pull(to, "--trust-first-use")
    assert refused.code == 1
    assert "signed by" in refused.err
    assert not (to / "000003").exists()


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("http://192.0.2.1:8444",), "http:// to another machine"),
        (("ftp://127.0.0.1",), "https://host"),
        (("https://user:word@127.0.0.1",), "without a user"),
        (("https://127.0.0.1:99999",), "https://host"),
        (("http://127.0.0.1/?token=x",), "without a user, a query"),
        (("https://a..b",), "https://host"),
        (("https://.",), "https://host"),
        ((f"https://{'a' * 64}.example",), "https://host"),
    ],
)
def test_an_address_that_would_betray_the_token_is_refused(words, place, served, tmp_path):
    """Plain HTTP to another machine, and addresses that are none, are exit code 2 before anything is sent."""
    pulled = served.pull(tmp_path / "to", url=words[0])
    assert pulled.code == 2
    assert place in pulled.err


@pytest.mark.parametrize("content", ["", "two words", "ü", "x" * 600])
def test_a_token_file_without_a_token_is_refused(content, served, tmp_path):
    """Nothing of the file is quoted."""
    served.token.write_text(content)
    pulled = served.pull(tmp_path / "to")
    assert pulled.code == 2
    assert not content or content not in pulled.err


def test_a_token_that_is_refused_is_exit_code_2(served, tmp_path):
    """An unknown token is the configuration's mistake; a file that others can read is warned of."""
    served.token.write_text("ptr_" + "A" * 43 + "\n")
    served.token.chmod(0o644)
    pulled = served.pull(tmp_path / "to")
    assert pulled.code == 2
    assert "refused (401)" in pulled.err
    assert "chmod 600" in pulled.err


def test_a_collector_that_is_not_there_is_exit_code_1(served, tmp_path):
    """It is said where and why, on stderr and as JSON."""
    served.stop()
    pulled = served.pull(tmp_path / "to", "--attempts", "2", "--json")
    assert pulled.code == 1
    assert "no connection (Connection refused), 2 times" in pulled.err
    assert pulled.of("problem")[0]["found"].startswith("no connection")


def test_two_clients_at_once_do_not_meet(served, tmp_path):
    """The second one finds the folder taken, changes nothing and says so."""
    served.publish(0)
    import fcntl

    (tmp_path / "to").mkdir()
    with (tmp_path / "to/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pulled = served.pull(tmp_path / "to")
    assert pulled.code == 2
    assert "another `pentrap pull`" in pulled.err
    assert served.pull(tmp_path / "to").code == 0


def test_what_is_missing_here_comes_again(served, tmp_path):
    """A file or a whole publication that was deleted here is pulled anew; a file of another size is told, not overwritten."""
    served.publish(0, 1, 2)
    to = tmp_path / "to"
    assert served.pull(to).code == 0
    (to / "000001" / PARQUET).unlink()
    shutil.rmtree(to / "000002")
    pulled = served.pull(to)
    assert pulled.code == 0, pulled.err
    assert "files that were missing here are back" in pulled.out
    assert verify(str(to), "--key", str(served.key)).code == 0
    (to / "000001" / PARQUET).write_bytes(b"mine")
    pulled = served.pull(to)
    assert pulled.code == 1
    assert f"000001/{PARQUET}" in pulled.err
    assert (to / "000001" / PARQUET).read_bytes() == b"mine"


def test_a_number_that_is_a_file_is_told(served, tmp_path):
    """Where a publication's folder should stand, the place is named with what to do, and nothing is pulled over it."""
    served.publish(0, 1)
    to = tmp_path / "to"
    assert served.pull(to).code == 0
    shutil.rmtree(to / "000002")
    (to / "000002").write_text("mine")
    pulled = served.pull(to)
    assert pulled.code == 1
    assert "000002\n    found:    no folder" in pulled.err
    assert "move it aside" in pulled.err
    assert verify(str(to)).code == 1


def test_copies_whose_time_is_over_are_not_missed(served, tmp_path):
    """A collector that has deleted them gives the manifest only: that is said, the chain stands, and it verifies."""
    served.exports.publish(0, now_us=TODAY_US - 100 * 86_400_000_000)
    served.publish(1)
    for path in (served.exports.tree / "000001").glob("2026-*"):
        path.unlink()
    pulled = served.pull(tmp_path / "to")
    assert pulled.code == 0, pulled.err
    assert "000001: 2 files are given no more, their time is over" in pulled.err
    assert verify(str(tmp_path / "to"), "--key", str(served.key)).code == 0
    assert served.pull(tmp_path / "to").code == 0


def shorten(served, days):
    """The order's partner may keep copies for fewer days from now on, and the collector deletes what is due."""
    exports = served.exports
    now = Entitlement(
        PARTNER,
        ORDER,
        "avalanche",
        (),
        (),
        (),
        (),
        "AMBER",
        ("events",),
        ("parquet",),
        days,
        "victim notification",
    )
    assert expire(exports.log, exports.data, [now], TODAY_US).deleted


def test_copies_that_went_before_their_manifests_time_hold_up_nothing(served, tmp_path):
    """Where copies are kept for less long than the manifest says, and the list says that they are gone, the publication stands
    without them, here and in a new folder; the withdrawal behind it comes, and what is missing is told on stderr and in --json.
    """
    served.exports.publish(0, now_us=TODAY_US - 40 * 86_400_000_000)
    fresh, kept = tmp_path / "fresh", tmp_path / "kept"
    assert served.pull(kept).code == 0
    shorten(served, 30)
    for path in (kept / "000001").glob("2026-*"):
        path.unlink()
    served.publish(0, kind="withdrawal", supplement=1, withdraws=(PARQUET,))
    for to in (fresh, kept):
        pulled = served.pull(to, "--json")
        assert pulled.code == 0, pulled.err
        (gone,) = pulled.of("gone")
        assert (gone["sequence"], sorted(gone["files"]), gone["early"]) == (1, sorted([CSV, PARQUET]), True)
        assert pulled.of("done")[0]["gone"] == 2
        assert "GIVEN NO MORE, AND MISSING HERE: files of 000001 (2 files)" in pulled.err
        assert "WITHDRAWN: 000002" in pulled.err
        assert len(list((to / "000002").glob("2026-*"))) == 2
        again = served.pull(to)
        assert (again.code, "everything that is still given" in again.out) == (0, True)
        assert "000001 (2 files)" in again.err
        checked = verify(str(to), "--key", str(served.key))
        assert (checked.code, checked.out.count("found:    missing")) == (1, 2)


def test_of_a_publication_the_files_that_are_still_given_come(served, tmp_path):
    """One copy is gone at the collector before its time: the other one comes, and only the one that is gone is told."""
    served.publish(0)
    (served.exports.tree / "000001" / PARQUET).unlink()
    pulled = served.pull(tmp_path / "to", "--json")
    assert pulled.code == 0
    assert [one["name"] for one in pulled.of("file")] == [CSV]
    assert pulled.of("gone")[0]["files"] == pulled.of("publication")[0]["gone"] == [PARQUET]
    assert "000001 (1 file)" in pulled.err
    assert "5 events in 2 files (1 of them given no more)" in served.pull(tmp_path / "other").out


def test_a_withdrawal_is_told_loudly(served, tmp_path):
    """Kind, day, sequence and files whose rows are taken back are on stderr, whatever stdout is for."""
    served.publish(0)
    served.publish(0, kind="withdrawal", supplement=1, withdraws=(PARQUET,))
    for words in ((), ("--json",)):
        pulled = served.pull(tmp_path / f"to{len(words)}", *words)
        assert pulled.code == 0
        (line,) = [line for line in pulled.err.splitlines() if "WITHDRAWN" in line]
        assert "000002" in line
        assert "2026-11-21" in line
        assert PARQUET in line


def test_an_incomplete_day_is_told(served, tmp_path):
    """Which sensors had not sealed it."""
    served.publish(0, complete=False, sensors=("sinkhole-1", "sinkhole-2"), missing_sensors=("sinkhole-2",))
    pulled = served.pull(tmp_path / "to")
    assert "000001 is incomplete: not sealed by sinkhole-2" in pulled.err


def publish_ocsf(served, kind, supplement):
    """A publication with one file in OCSF's form."""
    exports = served.exports
    with stage(exports.data, "shadowserver") as staged:
        name = f"2026-11-21-avalanche-1-network_activity-s{supplement}-p001.parquet"
        shutil.copy(exports.tree / "000001" / PARQUET, staged / name)
        files = [written(staged / name, 5, "ocsf-parquet")]
        said = contents(files, DAY, kind=kind, supplement=supplement, order="avalanche-1")
        publish(exports.log, exports.data, exports.key, staged, said, "avalanche", TODAY_US)


def test_the_lakes_layout(served, tmp_path):
    """OCSF files stand under region, account and day as well, as the same bytes; others and withdrawals do not."""
    served.publish(0)
    publish_ocsf(served, "supplement", 1)
    publish_ocsf(served, "withdrawal", 2)
    to = tmp_path / "to"
    assert served.pull(to).code == 0
    where = ("--layout", "security-lake", "--region", "eu-central-1", "--account", "123456789012")
    assert served.pull(to, *where[:2]).code == 2
    assert served.pull(to, *where).code == 0
    assert served.pull(to, *where).code == 0
    (found,) = [path for path in (to / "security-lake").rglob("*") if path.is_file()]
    assert found.parent == to / "security-lake/region=eu-central-1/accountId=123456789012/eventDay=20261121"
    assert found.samefile(to / "000002" / found.name)
    assert verify(str(to), "--key", str(served.key)).code == 0


def test_tls_with_an_authority_and_a_certificate_of_ours(served, tmp_path):
    """An unknown authority's certificate is refused, with --ca it is not; the partner's own is shown where asked for."""
    ca = Authority(tmp_path / "ca")
    certificate, key = ca.issue("collector")
    mine, mine_key = ca.issue("partner")
    served.stop()
    served.tls = context_of(certificate, key, ca.file)
    served.start()
    served.publish(0)
    to = tmp_path / "to"
    unknown = served.pull(to)
    assert unknown.code == 1
    assert "--ca" in unknown.err
    assert served.pull(to, "--ca", str(ca.file), "--attempts", "1").code == 1
    given = ("--ca", str(ca.file), "--client-cert", str(mine), "--client-key", str(mine_key))
    assert served.pull(to, *given).code == 0
    assert served.pull(to, "--ca", str(tmp_path / "no.pem")).code == 2
    assert served.pull(to, "--ca", str(ca.file), "--client-key", str(mine_key)).code == 2


def test_a_killed_client_goes_on(served, tmp_path):
    """A kill -9 at many moments: what has a name is always right, and the run that is let be completes it."""
    for day in range(6):
        served.publish(day, rows=60_000)
    to = tmp_path / "to"
    words = [str(served.token), str(to), str(served.key)]
    from collectors import PENTRAP

    command = [str(PENTRAP), "pull", served.url]
    command += ["--token-file", words[0], "--to", words[1], "--key", words[2]]
    for number in range(6):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.55 + 0.04 * number)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for path in to.glob("[0-9]*/*"):
            assert path.read_bytes() == (served.exports.tree / path.parent.name / path.name).read_bytes()
    assert served.pull(to).code == 0
    assert len(standing(to)) == 6
    assert verify(str(to), "--key", str(served.key)).code == 0


def test_a_mistake_on_the_command_line_is_exit_code_2(tmp_path):
    """Missing options are told by their names."""
    pulled = run("pull", "https://127.0.0.1:1", "--to", str(tmp_path))
    assert pulled.code == 2
    assert "--token-file" in pulled.err


def test_the_key_file_is_what_was_handed_over(served, tmp_path):
    """An OpenSSH line, an allowed_signers line, or several; a private key or nothing is refused without being quoted."""
    served.publish(0)
    served.key.write_text("# from the sheet\n" + sshsig.allowed_signers(served.exports.public))
    assert served.pull(tmp_path / "to").code == 0
    assert served.pull(tmp_path / "to", key=served.exports.key_file).code == 2
    assert read_key(served.exports.key_file)
    served.key.write_text("\n")
    assert served.pull(tmp_path / "to").code == 2
