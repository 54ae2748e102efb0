"""`pentrap pull` as a partner runs it, against the real interface: what comes, what stands, what is said."""

import filecmp

from partner_side import verify


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
    checked = verify(str(to), "--key", str(served.key))
    assert checked.returncode == 0, checked.stdout
    again = served.pull(to)
    assert again.code == 0
    assert "nothing new" in again.out
    served.publish(3)
    third = served.pull(to, "--json")
    assert [one["sequence"] for one in third.of("publication")] == [4]
    assert third.of("done")[0]["head"].startswith("4:")
