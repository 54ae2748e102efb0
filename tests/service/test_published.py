"""What each partner has of the last days: complete, incomplete, to come, late, or nothing due."""

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "exports"))

from collectors import write_operation
from publication_world import NOW_US, Exports

from collector.manage.status.look import PartnerDay
from collector.service import settings
from collector.service.published import Published

NOW = datetime.fromtimestamp(NOW_US / 1e6, UTC)
YESTERDAY = NOW.date() - timedelta(days=1)
INSTALLED_US = NOW_US - 5 * 86_400_000_000
PARTNERS = """[[partner]]
name = "{}"
contact = "desk"
purpose = "warn victims"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""
ANNEX = '[[order.annex]]\npartner = "{}"\ntlp = "AMBER"\n'


class World(Exports):
    """An order that has been in force for ten days and ends at noon of the day before yesterday, or as told."""

    def __init__(self, folder: Path, ends: datetime = NOW + timedelta(days=9)):
        super().__init__(folder)
        starts = NOW - timedelta(days=10)
        write_operation(folder / "operations", starts=starts, ends=ends, extra=ANNEX.format("cert-a"))
        (folder / "partners.toml").write_text(PARTNERS.format("cert-a") + PARTNERS.format("cert-b"))
        operation = folder / "operations" / "op.toml"
        operation.write_text(operation.read_text() + ANNEX.format("cert-b"))
        self.log.append(
            "order_loaded",
            INSTALLED_US,
            operation="op",
            order="op-1",
            kind="pen-trap",
            starts=starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
            ends=ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            fields=[],
        )
        self.published = Published(settings.load(self.config, {}), INSTALLED_US, structlog.get_logger())

    def make(self, day: date, partner="cert-a", now_us=NOW_US, **changes):
        """A publication of a day for the order."""
        number = (day - date(2026, 11, 21)).days
        return self.publish(day=number, partner=partner, order="op-1", now_us=now_us, **changes)

    def states(self, partner="cert-a", now_us=NOW_US):
        """The last days by date."""
        self.published.reload()
        self.published.look(now_us, self.ledger())
        found = {one.partner: one for one in self.published.partners({})}
        return {day.day: day.state for day in found[partner].days}


def test_before_the_hour_a_day_is_to_come_and_after_it_late(tmp_path) -> None:
    """Yesterday is due by 06:00 UTC, to the second; days before the collector was installed are not due at all."""
    world = World(tmp_path)
    midnight_us = NOW_US - 43_200_000_000
    six_us = midnight_us + 6 * 3_600_000_000
    assert world.states(now_us=six_us - 1)[YESTERDAY] == "to come"
    states = world.states(now_us=six_us)
    assert states[YESTERDAY] == "late"
    assert [states[day] for day in sorted(states)] == ["none", "none", *["late"] * 5]


def test_published_days_are_complete_and_others_stay_late(tmp_path) -> None:
    """Each partner's own publications count, for the day that they are of."""
    world = World(tmp_path)
    world.make(YESTERDAY)
    assert world.states("cert-a")[YESTERDAY] == "complete"
    assert world.states("cert-b")[YESTERDAY] == "late"
    assert list(world.states("cert-a").values()).count("complete") == 1


def test_a_day_without_a_sensor_is_incomplete_until_its_supplement(tmp_path) -> None:
    """The newest publication of a day says whether every sensor was in, and which was not."""
    world = World(tmp_path)
    world.make(
        YESTERDAY, complete=False, missing_sensors=("sinkhole-2",), sensors=("sinkhole-1", "sinkhole-2")
    )
    world.states()
    (one, _) = world.published.partners({})
    assert one.days[-1] == PartnerDay(YESTERDAY, "incomplete", ("sinkhole-2",))
    world.make(YESTERDAY, kind="supplement", supplement=1, sensors=("sinkhole-1", "sinkhole-2"))
    assert world.states()[YESTERDAY] == "complete"


def test_an_order_that_was_over_owes_nothing(tmp_path) -> None:
    """Days after an order's end are not due, the day in which it ended is."""
    world = World(tmp_path, ends=NOW - timedelta(days=2))
    states = world.states()
    assert [states[day] for day in sorted(states)][-3:] == ["late", "late", "none"]


def test_what_waits_to_be_pulled(tmp_path) -> None:
    """The first publication since a partner's last pull is what waits; after a pull nothing does."""
    world = World(tmp_path)
    world.make(YESTERDAY - timedelta(days=1), now_us=NOW_US - 100_000_000)
    world.make(YESTERDAY, now_us=NOW_US)
    world.states()

    def waiting(pulled):
        return {one.partner: one.waiting_since for one in world.published.partners(pulled)}

    assert waiting({}) == {"cert-a": NOW_US / 1e6 - 100, "cert-b": None}
    assert waiting({"cert-a": NOW_US / 1e6 - 50})["cert-a"] == NOW_US / 1e6
    assert waiting({"cert-a": NOW_US / 1e6 + 1})["cert-a"] is None


@pytest.mark.parametrize("file", ["partners.toml", "operations/op.toml"])
def test_files_with_mistakes_leave_what_was_known(tmp_path, file) -> None:
    """A reload of files that are wrong changes nothing here either."""
    world = World(tmp_path)
    before = world.states()
    (tmp_path / file).write_text("[[")
    assert world.states() == before


def test_a_manifest_that_cannot_be_read_is_told_and_tried_again(tmp_path, capsys) -> None:
    """Its day counts as published; the event names partner and number only."""
    world = World(tmp_path)
    made = world.make(YESTERDAY)
    manifest = world.data / "exports" / "cert-a" / f"{made.sequence:06d}" / "manifest.json"
    content = manifest.read_bytes()
    manifest.write_bytes(b"{}")
    assert world.states()[YESTERDAY] == "complete"
    assert "manifest_not_read" in capsys.readouterr().out
    manifest.write_bytes(content)
    assert world.states()[YESTERDAY] == "complete"
    assert capsys.readouterr().out == ""
