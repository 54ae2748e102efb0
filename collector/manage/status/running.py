"""What needs attention in the running of the collector: answers, the equation, recording, losses, the disk."""

from collections.abc import Iterator

from collector.ground.markup import plural
from collector.manage.status.concern import Concern, Urgency
from collector.manage.status.look import GROUPS, Look
from collector.manage.status.words import size

FILLING = 2.0
"""Free space below this many reserves is told before exports stop."""
QUIET_MINUTES, BEFORE_THAT = 10, 50
CLIFF_MIN = 100
"""Check-ins in the minutes before, from which on silence is odd."""


def concerns_of_running(look: Look) -> Iterator[Concern]:
    """In the order in which a collector's promises count."""
    yield from _answers(look)
    yield from _equation(look)
    yield from _records(look)
    yield from _losses(look)
    yield from _machine(look)


def _answers(look: Look) -> Iterator[Concern]:
    missing = look.workers - look.workers_answering
    if missing:
        word = plural(missing, "gives no sign of life and answers", "give no sign of life and answer")
        yield Concern(
            Urgency.NOW,
            f"{missing} of {look.workers} workers {word} nobody",
            "Read the log for `process_died`, and see whether the worker waits for the disk or uses a whole core",
            "PentrapNotAnswering",
        )


def _equation(look: Look) -> Iterator[Concern]:
    difference = look.counts.difference
    if difference:
        yield Concern(
            Urgency.NOW,
            f"The equation does not hold: it is broken by {difference:,}",
            "Keep `/metrics`, the log and `data_dir` as they are before anything is restarted, and report it",
            "PentrapEquationBroken",
        )


def _records(look: Look) -> Iterator[Concern]:
    why = look.not_recording_because
    if "disk refuses" in why:
        yield Concern(
            Urgency.NOW,
            "Nothing is recorded: the disk refuses writes",
            "Make room where `data_dir` stands, or see to the disk; recording resumes by itself within seconds",
            "PentrapDroppedDisk",
        )
    if "clock unsure" in why:
        yield Concern(
            Urgency.NOW,
            "Nothing is recorded: the clock is in doubt",
            "See to the clock; `pentrap clock --believe` if you know that it is right",
            "PentrapClockUnsure",
        )
    if "no order in force" in why and not any(order.just_ended(look.now) for order in look.orders):
        yield Concern(
            Urgency.SOON,
            "Nothing is recorded: no order is in force",
            "`pentrap order show` tells which ended and what comes; ask counsel whether another was granted",
            "PentrapOrderEnded",
        )
    if look.files_refused:
        yield Concern(
            Urgency.NOW,
            "Changed operation files were refused; the old ones are in force. A termination may be among them",
            "`pentrap check` tells every mistake; correct it and send SIGHUP",
            "PentrapReloadRefused",
        )
    came = GROUPS[:3]
    before = sum(look.lately(group, QUIET_MINUTES + BEFORE_THAT) for group in came)
    lately = sum(look.lately(group, QUIET_MINUTES) for group in came)
    if not lately and before >= CLIFF_MIN and look.minutes[-QUIET_MINUTES] is not None:
        yield Concern(
            Urgency.SOON,
            f"No check-in for {QUIET_MINUTES} minutes, and {before:,} in the {BEFORE_THAT} before",
            "Try one from outside; look at the network, the domains' registries and the firewall",
            "PentrapTrafficCliff",
        )


def _losses(look: Look) -> Iterator[Concern]:
    for column, urgency, why, action, runbook in _DROPPED:
        count = look.lately(column)
        if count:
            what = f"{count:,} {plural(count, 'check-in was', 'check-ins were')} lost in the last hour: {why}"
            yield Concern(urgency, what, action, runbook)
    refusals = look.lately("refusals")
    if refusals and not look.machine.disk_refuses:
        yield Concern(
            Urgency.NOW,
            f"The disk refused {refusals:,} {plural(refusals, 'write or sync', 'writes or syncs')} in the last hour",
            "Look at the kernel's log and at the disk's health; move `data_dir` if it is failing",
            "PentrapFsyncErrors",
        )
    kernel = look.lately("kernel")
    if kernel:
        yield Concern(
            Urgency.SOON,
            f"The kernel dropped {kernel:,} before we saw {plural(kernel, 'it', 'them')} in the last hour",
            "Raise `udp_receive_buffer_kb` with `net.core.rmem_max`, or `net.core.somaxconn`; more workers if the CPU is busy",
            "PentrapKernelDropped",
        )
    corrupt = look.lately("corrupt", len(look.minutes))
    if corrupt:
        yield Concern(
            Urgency.SOON,
            f"{corrupt:,} {plural(corrupt, 'region')} of journals did not verify in the last day",
            "Keep the files that end in `.damaged`; look at the disk's health",
            "PentrapCorruptBlocks",
        )


_DROPPED = (
    ("disk", Urgency.NOW, "the disk refused them", "Make room, or see to the disk", "PentrapDroppedDisk"),
    (
        "overload",
        Urgency.SOON,
        "shed unfinished",
        "See who holds connections open without a word, and how many descriptors there may be",
        "PentrapDroppedOverload",
    ),
    (
        "crash",
        Urgency.SOON,
        "a worker died with them in hand",
        "Read the log for `process_died`; it was replaced",
        "PentrapDroppedCrash",
    ),
)


def _machine(look: Look) -> Iterator[Concern]:
    machine = look.machine
    if machine.disk_refuses:
        return  # told already: nothing is recorded
    if machine.disk_free < machine.disk_reserve:
        yield Concern(
            Urgency.NOW,
            f"Only {size(machine.disk_free)} are free: exports stop below {size(machine.disk_reserve)}",
            "Make room where `data_dir` stands; check-ins are recorded to the last byte",
            "PentrapDiskBelowReserve",
        )
    elif machine.disk_free < FILLING * machine.disk_reserve:
        yield Concern(
            Urgency.SOON,
            f"The disk is filling: {size(machine.disk_free)} are free",
            f"Make room; exports stop below {size(machine.disk_reserve)}",
            "PentrapDiskFilling",
        )
