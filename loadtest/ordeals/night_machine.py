"""Nights in which the machine fails: the disk, the clock."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from ordeals.disk import fill, small_disk
from ordeals.night import LISTED, clock_file, night, told, within
from ordeals.world import checks_in, make_collector, start_whole

DISK_MB = 48


def disk_full(folder: Path) -> dict[str, Any]:
    """The disk is full for a while."""
    with small_disk(folder / "disk", DISK_MB) as disk:
        collector, targets = make_collector(
            folder,
            disk / "data",
            intake__durability="sync",
            segments__seal_seconds=1,
            intake__disk_reserve_mb=5,
        )
        with night(folder, collector, targets) as made:
            stopping = threading.Event()

            def keep_full() -> None:
                while not stopping.wait(0.02):  # the clerk frees what it converts
                    fill(disk / "ballast")

            filler = threading.Thread(target=keep_full)
            filler.start()
            made.breaks("the disk is full")
            expected = {
                "PentrapDroppedDisk", "PentrapFsyncErrors", "PentrapNotRecording", "PentrapDiskBelowReserve",
            }  # fmt: skip
            made.watch(begin=expected)
            made.look()
            for words in (("order", "show"), ("purge", "--dry-run"), ("check",)):
                made.command(*words)
            stopping.set()
            filler.join()
            (disk / "ballast").unlink()
            again = made.records_again(20)
            made.step("room is made; seconds until it records", said=again)
            flaws = [] if again is not None else ["it does not record again"]
            made.watch(end=expected, seconds=120)
            flaws += made.unanswered()
            made.look()
            return told(made, expected, {"PentrapSegmentsWaiting"}, flaws)


def restarted_full(folder: Path) -> dict[str, Any]:
    """The disk is full, and somebody restarts."""
    with small_disk(folder / "disk", DISK_MB) as disk:
        collector, _ = make_collector(folder, disk / "data", intake__disk_reserve_mb=5)
        with night(folder, collector, None) as made:
            checks_in(collector.port, host=LISTED)
            fill(disk / "ballast")
            made.breaks("the disk is full")
            code = collector.stop()
            fill(disk / "ballast")
            made.step("stopped", exit=code)
            collector.launch()
            assert collector.process is not None
            said = collector.log_file.read_text()
            code = collector.process.wait(30)
            made.step(
                "started", exit=code, said=collector.log_file.read_text()[len(said) :].splitlines()[-6:]
            )
            made.watch(begin={"PentrapDown"})
            (disk / "ballast").unlink()
            start_whole(collector)
            made.step("room is made, and it starts")
            made.watch(end={"PentrapDown"})
            flaws = [] if code else ["it started on a full disk"]
            return told(made, {"PentrapDown"}, {"PentrapDiskBelowReserve"}, flaws)


def clock_stepped(folder: Path) -> dict[str, Any]:
    """The clock jumps an hour ahead, stays there, and is put right later."""
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))))
    collector, targets = make_collector(folder, segments__seal_seconds=1)
    collector.environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock_file(folder, timedelta(0))),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    collector.start()
    with night(folder, collector, targets, started=True) as made:
        clock_file(folder, timedelta(hours=1))
        made.breaks("the clock jumps an hour ahead, and stays there")
        made.watch(begin={"PentrapClockUnsure", "PentrapClockOff", "PentrapNotRecording"})
        made.look()
        again = made.records_again(90)
        made.step("it believes the clock again after its minute, and records with a wrong time", said=again)
        made.holds_for(3)
        flaws = (
            []
            if "ended" not in made.alerts.get("PentrapClockOff", {"ended": 0})
            else ["nobody is told of the wrong time"]
        )
        clock_file(folder, timedelta(0))
        made.step("the clock is put right")
        within(lambda: not collector.ready()["recording"], 5)
        made.command("clock", "--believe", "--reason", "compared with two time servers")
        again = made.records_again(5)
        made.step("seconds until it records", said=again)
        flaws += [] if again is not None else ["an officer's word does not count"]
        made.watch(end={"PentrapClockUnsure", "PentrapClockOff", "PentrapNotRecording"}, seconds=60)
        flaws += made.unanswered()
        expected = {"PentrapClockUnsure", "PentrapClockOff", "PentrapNotRecording"}
        return told(made, expected, set(), flaws)
