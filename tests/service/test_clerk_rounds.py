"""A round of the clerk's work: what breaks in one section stops no other, and says nothing of what came."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from collectors import Collector, exchange, get

from collector.ground import logs
from collector.ground.counters import Board
from collector.journal.names import sealed_name
from collector.service.clerk import Clerk
from collector.service.settings import load

INSTALLED_US = 1_795_305_600_000_000
SECRET = "evil-one.com"
SECTIONS: dict[str, Callable[[Clerk], tuple[Any, str]]] = {
    "sealing": lambda clerk: (clerk.sealer, "work"),
    "notices": lambda clerk: (clerk._notices, "note"),
    "retention": lambda clerk: (clerk, "_purge"),
    "audit": lambda clerk: (clerk._audit, "sign"),
    "unexpected": lambda clerk: (clerk._book, "note"),
    "registries": lambda clerk: (clerk.reach, "show"),
    "export": lambda clerk: (clerk.daily, "look"),
    "outlook": lambda clerk: (clerk._outlook, "work"),
}


@pytest.fixture
def clerk(collector: Collector) -> Clerk:
    """One in this process, over what a stopped collector left."""
    exchange(collector.port, get())
    assert collector.stop() == 0
    return Clerk(load(collector.config), Board(1), INSTALLED_US, logs.get("clerk"))


def test_a_fault_in_one_section_stops_no_other(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever section raises whatever: it is named in the log without the fault's text, and all others are run."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise KeyError(SECRET)

    clerk.work()
    for broken in SECTIONS:
        clerk._purged_day = -1
        ran: set[str] = set()
        with monkeypatch.context() as patch:
            for name, where in SECTIONS.items():
                owner, method = where(clerk)
                before = getattr(owner, method)

                def seen(
                    *given: Any, name: str = name, before: Any = before, ran: set[str] = ran, **more: Any
                ) -> Any:
                    ran.add(name)
                    return before(*given, **more)

                patch.setattr(owner, method, fail if name == broken else seen)
            capsys.readouterr()
            left = clerk.work()
        said = capsys.readouterr()
        assert ran == set(SECTIONS) - {broken}
        assert left == (1 if broken == "sealing" else 0)
        (line,) = [line for line in (said.out + said.err).splitlines() if "section_failed" in line]
        assert broken in line
        assert SECRET not in said.out + said.err


def test_a_fault_with_one_journal_leaves_the_others_their_turn(
    clerk: Clerk, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal that cannot be converted stays and is counted as left; what else there is to seal is sealed."""
    folder = collector.data / "journal" / "test-1.0.0000000000000001"
    folder.mkdir(parents=True)
    for first in (0, 1):
        (folder / sealed_name(folder.name, first, first)).write_bytes(b"")
    tried: list[Path] = []

    def fail(path: Path, _: int) -> NoReturn:
        tried.append(path)
        raise ValueError(SECRET)

    monkeypatch.setattr("collector.service.sealer.read_journal", fail)
    left = clerk.work()
    assert (left, len(tried)) == (2, 2)
    assert len(list(folder.iterdir())) == 2
