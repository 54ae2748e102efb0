"""The key that signs publications is replaced: announced first, so that partners know both before the new one signs.

    <signing_key>         the key in force
    <signing_key>.next    the key to come, made by `announce`
    <signing_key>.log     the first key of all, kept by the first `replace`: the audit log's checkpoints go on being signed
                          with the key derived from it, so the verifier key noted at installation stays good

Each step is an entry `key_changed` before it takes effect (law.md L-21), with the old key's signature over the new one's line:
whoever trusts the old key can follow. Killed anywhere, the same step again completes it; until then nothing is published.

This is for keys that grow old. A key that was stolen has signed whatever the thief liked: then partners must be told by another
way, and the log, whose key is derived from it, be begun anew (deploy/README.md).
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.audit.key import LOG_KEY_SUFFIX, make_key, read_key
from collector.audit.log import AuditLog, read_entries
from collector.exports import sshsig
from collector.exports.keys import SigningKey, handover, key_in_force, known_keys, signing_turn
from collector.ground import files
from collector.ground.errors import ConfigurationError, Problem

NEXT_SUFFIX = ".next"
OVERLAP_DAYS = 7
"""How long a key is announced before it may sign: partners that pull once a week have seen it."""
_DAY_US = 86_400_000_000


def announce(log: AuditLog, data_dir: Path, key_file: Path, now_us: int, actor: str) -> SigningKey:
    """Make the key to come, and say so; one that was announced already is given back. Raises ConfigurationError, OSError."""
    settle(data_dir, key_file)
    known = known_keys(data_dir, key_file)
    coming = next_path(key_file)
    make_key(coming)
    new = read_key(coming).public_key().public_bytes_raw()
    if known[-1].public != new:
        _enter(log, "announced", key_file, new, now_us, actor)
    return known_keys(data_dir, key_file)[-1]


def replace(
    log: AuditLog, data_dir: Path, key_file: Path, now_us: int, actor: str, *, at_once: bool = False
) -> SigningKey:
    """Put the announced key in force; what is being signed with the old one is waited for.

    Raises ConfigurationError (none was announced, or not for long enough), OSError.
    """
    with signing_turn(data_dir):
        return _replace(log, data_dir, key_file, now_us, actor, at_once=at_once)


def settle(data_dir: Path, key_file: Path) -> bool:
    """Complete a replacement that was entered and then cut off; whether there was one. Raises ConfigurationError, OSError."""
    current = current_key(data_dir)
    if current is None or read_key(key_file).public_key().public_bytes_raw() == current:
        return False
    coming = next_path(key_file)
    if coming.exists() and read_key(coming).public_key().public_bytes_raw() == current:
        files.rename(coming, key_file)
        return True
    raise not_in_force(key_file)


def current_key(data_dir: Path) -> bytes | None:
    """The public key that the log says is in force; None where none was ever replaced."""
    return key_in_force(read_entries(data_dir / "audit"))


def read_key_in_force(data_dir: Path, key_file: Path) -> Ed25519PrivateKey:
    """The key that signs now. Raises ConfigurationError: the file holds another one than the log says."""
    key = read_key(key_file)
    current = current_key(data_dir)
    if current is not None and key.public_key().public_bytes_raw() != current:
        raise not_in_force(key_file)
    return key


def not_in_force(key_file: Path) -> ConfigurationError:
    """The key file is not the one that the log knows."""
    return _problem(
        key_file,
        "another key than the one in force by the audit log",
        "the key that `pentrap key` says is current",
        "pentrap key --replace completes a replacement that was cut off; else restore the file from a copy",
    )


def next_path(key_file: Path) -> Path:
    """Where the key to come lies."""
    return Path(f"{key_file}{NEXT_SUFFIX}")


def _replace(
    log: AuditLog, data_dir: Path, key_file: Path, now_us: int, actor: str, *, at_once: bool
) -> SigningKey:
    if settle(data_dir, key_file):
        return known_keys(data_dir, key_file)[-1]
    coming = next_path(key_file)
    announced = [
        entry
        for entry in read_entries(data_dir / "audit")
        if entry.event == "key_changed" and entry.facts["change"] == "announced"
    ]
    known = known_keys(data_dir, key_file)
    if known[-1].state != "next" or not coming.exists():
        raise _problem(coming, "no key was announced", "a key that partners know", "pentrap key --announce")
    new = read_key(coming).public_key().public_bytes_raw()
    if new != known[-1].public:
        raise _problem(coming, "another key than the one announced", "that one", "restore it from a copy")
    days = (now_us - announced[-1].time_us) / _DAY_US
    if days < OVERLAP_DAYS and not at_once:
        raise _problem(
            coming,
            f"announced {days:.1f} days ago",
            f"{OVERLAP_DAYS} days, so that every partner has seen it",
            "wait, or --at-once: partners then follow by the old key's signature over the new one",
        )
    log_key = Path(f"{key_file}{LOG_KEY_SUFFIX}")
    if not log_key.exists():
        files.publish_bytes(log_key, key_file.read_bytes())
    _enter(log, "replaced", key_file, new, now_us, actor)
    files.rename(coming, key_file)
    return known_keys(data_dir, key_file)[-1]


def _enter(log: AuditLog, change: str, key_file: Path, new: bytes, now_us: int, actor: str) -> None:
    old = read_key(key_file)
    log.append(
        "key_changed",
        now_us,
        change=change,
        public=sshsig.public_line(new),
        previous=sshsig.public_line(old.public_key().public_bytes_raw()),
        handover=handover(old, new),
        actor=actor,
    )


def _problem(path: Path, found: str, expected: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem(str(path), "[export] signing_key", found, expected, remedy)])
