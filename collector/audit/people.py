"""Who acts: entries hold actor ids, names stand in this register, which can be erased without touching the log (L-20a).

    access/people.json    {"p-5f0c1a2b": {"name": "jdoe", "erased": false}, …}

The caller is the person who logged in: the user behind sudo, else the user of the process. Where several people share a
user (a container's), `--actor NAME` says who it is. Once erased, an id stays taken: its owner gets a new one.
"""

import fcntl
import json
import os
import pwd
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.ground import files
from collector.ground.errors import CorruptError

FOLDER = "access"
NAME = "people.json"
MACHINE = "pentrap"
"""The actor of what the collector does by itself: retention, sealing."""


class People:
    """The register of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._path = self._folder / NAME

    def read(self) -> dict[str, dict[str, Any]]:
        """Everybody, by id. Raises CorruptError."""
        try:
            people = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            raise self._corrupt("the file", "is not JSON") from None
        if not isinstance(people, dict):
            raise self._corrupt("the file", "is no JSON object")
        for actor, person in people.items():
            match person:
                case {"name": str(), "erased": bool()}:
                    continue
            raise self._corrupt(ascii(actor), "has no name and whether it was erased")
        return people

    def actor(self, name: str = "") -> str:
        """The id of `name` (default: the calling user), new where it is not registered; durable when this returns.

        Raises CorruptError.
        """
        name = name or caller()
        with self._turn() as people:
            for actor, person in people.items():
                if person["name"] == name and not person["erased"]:
                    return actor
            actor = f"p-{secrets.token_hex(4)}"
            people[actor] = {"name": name, "erased": False}
            self._write(people)
        return actor

    def erase(self, actor: str) -> bool:
        """Forget a name; whether there was one. The id stays, so that entries still tell people apart."""
        with self._turn() as people:
            if people.get(actor, {"erased": True})["erased"]:
                return False
            people[actor] = {"name": "", "erased": True}
            self._write(people)
        return True

    def _corrupt(self, place: str, cause: str) -> CorruptError:
        remedy = (
            "Restore it from a copy. Where there is none, move it away: entries keep their ids, the names are lost, "
            "and who acts next gets a new id"
        )
        return CorruptError("read the register of people", str(self._path), place, cause, remedy)

    @contextmanager
    def _turn(self) -> Iterator[dict[str, dict[str, Any]]]:
        files.make_directory(self._folder)
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.read()
        finally:
            os.close(lock)

    def _write(self, people: Mapping[str, Any]) -> None:
        files.publish_bytes(self._path, (json.dumps(people, indent=1, sort_keys=True) + "\n").encode())


def caller() -> str:
    """The login name of who called: behind sudo, the person rather than root."""
    sudo = os.environ.get("SUDO_UID", "")
    uid = int(sudo) if os.getuid() == 0 and sudo.isascii() and sudo.isdigit() else os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
