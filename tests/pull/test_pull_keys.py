"""Keys that are handed on, and keys that are not."""

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mirror import Mirror, Run, standing
from partner_side import TODAY_US, serving
from publication_world import Exports

from collector.audit.key import read_key
from collector.exports import rotation, sshsig
from collector.exports.keys import handover
from collector.exports.means import ExportError
from collector.pull.errors import PullError


class Rotating:
    """A collector whose key changes."""

    def __init__(self, folder):
        self.exports = Exports(folder / "collector")
        self.exports.publish(0, now_us=TODAY_US)
        self.mirror = Mirror(self.exports.tree)
        self.first = self.exports.public
        self.mirror.key = {"keys": [self.entry(self.first, "")]}
        self.day = 0

    @staticmethod
    def entry(public, signed):
        return {"public": sshsig.public_line(public), "handover": signed, "state": "current"}

    def rotate(self, by=None):
        """A new key, vouched for by the one in force, or by another; the old one."""
        old, new = self.exports.key, Ed25519PrivateKey.generate()
        public = new.public_key().public_bytes_raw()
        self.mirror.key["keys"].append(self.entry(public, handover(by or old, public)))
        self.exports.key, self.exports.public = new, public
        return old

    def publish(self):
        self.day += 1
        self.exports.publish(self.day, now_us=TODAY_US)


@pytest.fixture
def rotating(tmp_path):
    made = Rotating(tmp_path)
    yield made
    made.mirror.stop()


def pull(rotating, to, *keys, pin=False):
    return Run(rotating.mirror.url, to, keys or (rotating.first,), pin=pin)


def test_a_rotation_is_followed(rotating, tmp_path):
    """Whoever trusts the old key follows to the new one by himself, and is told of each; over two rotations at once too."""
    to = tmp_path / "to"
    assert pull(rotating, to).error is None
    rotating.rotate()
    rotating.rotate()
    rotating.publish()
    run = pull(rotating, to)
    assert run.error is None
    told = [one["line"] for one in run.said if one["what"] == "key"]
    assert told == [one["public"] for one in rotating.mirror.key["keys"][1:]]
    assert pull(rotating, to).error is None
    rotating.rotate()
    rotating.publish()
    assert pull(rotating, to).error is None
    assert standing(to) == ["000001", "000002", "000003"]


def test_what_was_handed_on_is_pinned_too(rotating, tmp_path):
    """With trusted.key, the followed key stands there afterwards: no key has to be asked for again."""
    to = tmp_path / "to"
    assert Run(rotating.mirror.url, to, (), pin=True).error is None
    rotating.rotate()
    rotating.publish()
    assert pull(rotating, to, pin=True).error is None
    lines = (to / "trusted.key").read_text()
    assert sshsig.public_line(rotating.first) in lines
    assert sshsig.public_line(rotating.exports.public) in lines


def test_a_key_that_was_not_handed_on_is_refused(rotating, tmp_path):
    """A new key that vouches for itself, or that a stranger vouches for, signs nothing here."""
    assert pull(rotating, tmp_path / "to").error is None
    rotating.rotate(by=Ed25519PrivateKey.generate())
    rotating.publish()
    run = pull(rotating, tmp_path / "to")
    assert isinstance(run.error, PullError)
    assert standing(tmp_path / "to") == ["000001"]


def test_a_key_that_was_replaced_signs_no_more(rotating, tmp_path):
    """Once its successor has signed, the old key is refused, though it was the one that was given."""
    old = rotating.rotate()
    rotating.publish()
    assert pull(rotating, tmp_path / "to").error is None
    rotating.exports.key = old
    rotating.publish()
    for _ in range(2):
        run = pull(rotating, tmp_path / "to")
        assert "which was replaced" in run.words
    assert standing(tmp_path / "to") == ["000001", "000002"]


def test_the_new_key_alone_is_not_enough_for_what_the_old_one_signed_last(rotating, tmp_path):
    """Somebody who replaced the file is told to give both, until the new key has signed what follows."""
    assert pull(rotating, tmp_path / "to").error is None
    rotating.rotate()
    rotating.publish()
    run = pull(rotating, tmp_path / "to", rotating.exports.public)
    assert "give the key that signed what stands here too" in run.words
    assert pull(rotating, tmp_path / "to", rotating.first, rotating.exports.public).error is None
    assert pull(rotating, tmp_path / "to", rotating.exports.public).error is None


@pytest.mark.parametrize(
    "said",
    [
        b"", b"[]", b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": [{}]}', b'{"keys": [{"public": null, "handover": 1}]}',
        b'{"keys": [{"public": "ssh-ed25519 AAAA", "handover": "x"}]}', b"[" * 100_000, b"\xff",
    ],
)  # fmt: skip
def test_a_list_of_keys_that_is_none_helps_nobody(said, rotating, tmp_path):
    """Whatever stands at /v1/key: the signer that is not trusted is refused, and nothing crashes."""
    rotating.rotate()
    rotating.publish()
    rotating.mirror.lies["/v1/key"] = lambda *_: web.Response(body=said)
    run = pull(rotating, tmp_path / "to")
    assert isinstance(run.error, PullError)
    assert "signed by" in run.words
    assert standing(tmp_path / "to") == ["000001"]


def test_a_partner_follows_a_key_that_was_replaced_in_the_middle_of_an_export(tmp_path):
    """What the old key would still have signed is refused by the collector, not by the partner: its chain goes on."""
    with serving(tmp_path) as served:
        served.publish(0)
        assert served.pull(tmp_path / "to").code == 0
        exports = served.exports
        place = (exports.log, exports.data, exports.key_file, TODAY_US, "p-1")
        rotation.announce(*place)
        rotation.replace(*place, at_once=True)
        began_with, exports.key = exports.key, read_key(exports.key_file)
        served.publish(1)
        exports.key, now = began_with, exports.key
        with pytest.raises(ExportError):
            served.publish(2)
        exports.key = now
        served.publish(2)
        said = served.pull(tmp_path / "to")
        assert said.code == 0, said.err
        assert standing(tmp_path / "to") == ["000001", "000002", "000003"]
