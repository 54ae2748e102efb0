"""The whole story in a minute or so: from a botnet's check-ins to exports that partners pulled and verified.

python loadtest/demo.py [--keep] [--check-ins 12000] [--rate 800] [--to FOLDER]

A made-up takedown on loopback, in build/demo, which is made anew each time. Every command is shown before what it prints, and
is one that a person would type. Meanwhile the story keeps its own books; exit 1 as soon as anything does not hold, 130
after Ctrl-C. Whatever it started has ended when it ends; with --keep the collector goes on until Ctrl-C.
"""

import argparse
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from bed.process import StartError
from story.accounts import Accounts
from story.chapters import CHAPTERS
from story.commands import Commands, DoesNotHold
from story.partners_side import stop, visitor
from story.play import Play
from story.stage import OPERATOR, SHADOWSERVER, VISITOR, Occupied, Stage, set_up
from story.terminal import Terminal

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "demo"
CHECK_INS, RATE = 12_000, 800
CHECK_INS_MAX, RATE_MAX = 200_000, 4_000
MIDNIGHT_SECONDS = 90
"""The story is of one UTC day: shortly before midnight it waits."""
DAY_SECONDS = 86_400


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep", action="store_true", help="afterwards keep the collector running, until Ctrl-C"
    )
    parser.add_argument("--check-ins", type=int, default=CHECK_INS, metavar="N")
    parser.add_argument("--rate", type=int, default=RATE, metavar="N", help="check-ins a second")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument(
        "--to", type=Path, metavar="FOLDER", help="work in this new folder instead of build/demo"
    )
    chosen = parser.parse_args(words)
    if not 0 < chosen.check_ins <= CHECK_INS_MAX or not 0 < chosen.rate <= RATE_MAX:
        parser.error(f"--check-ins is at most {CHECK_INS_MAX}, --rate at most {RATE_MAX}: loads are bounded")
    return chosen


def main() -> int:
    chosen = arguments()
    terminal = Terminal()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    for name in [name for name in os.environ if name.startswith("PENTRAP_")]:
        del os.environ[name]  # they would override the demo's settings
    try:
        stage = set_up((chosen.to or FOLDER).resolve(), chosen.seed, own=chosen.to is None)
    except (Occupied, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    play = Play(
        stage, terminal, Commands(stage, terminal), Accounts(), chosen.check_ins, chosen.rate, chosen.seed
    )
    try:
        return tell(play, keep=chosen.keep)
    except (DoesNotHold, StartError, OSError) as error:
        terminal.verdict(f"DOES NOT HOLD: {error}", good=False)
        terminal.line(
            f"Everything is left as it is in {stage.folder}; the collector's log is {OPERATOR}/serve.log."
        )
        return 1
    except KeyboardInterrupt:
        terminal.line("\nInterrupted; what was started is being stopped.")
        return 130
    finally:
        if play.process is not None and play.process.alive():
            with contextlib.suppress(StartError):
                play.process.stop()


def tell(play: Play, *, keep: bool) -> int:
    """The story; 0 when all of it holds."""
    began = time.monotonic()
    opening(play)
    wait_past_midnight(play.terminal)
    for number, (title, chapter) in enumerate(CHAPTERS, start=1):
        play.terminal.heading(f"{number}/{len(CHAPTERS)}  {title}")
        chapter(play)
    if keep:
        visitor(play)
    else:
        stop(play)
    closing(play, time.monotonic() - began, keep=keep)
    if keep:
        wait_for_visitors(play)
    return 0


def opening(play: Play) -> None:
    """What this is."""
    terminal, folder = play.terminal, play.stage.folder
    terminal.heading("Pentrap, the whole story")
    terminal.say(
        "A made-up takedown, played on this machine's loopback in about a minute. Each line after a $ is a command that you"
        " could type; the word before it is the folder in which it runs. To try them yourself afterwards:"
    )
    terminal.line(f"\n    cd {folder}\n    PATH={ROOT}/.venv/bin:$PATH")
    if not play.stage.ipv6:
        terminal.say("This machine has no IPv6 (::1), so the story is told over IPv4 only.")


def closing(play: Play, seconds: float, *, keep: bool) -> None:
    """The books, where everything is, what to look at next."""
    terminal, stage = play.terminal, play.stage
    terminal.verdict(f"All of it holds, to the unit ({seconds:.0f} s):", good=True)
    for line in play.accounts.lines():
        terminal.output("    " + line)
    terminal.line(f"\nWhere it is, in {stage.folder}:")
    for place, what in places(play):
        terminal.output(f"    {place:<44}{what}")
    terminal.line("\nWhat to look at next:")
    for what, why in (
        *((("make demo KEEP=1", "once more, to follow deploy/PARTNERS.md against it"),) if not keep else ()),
        ("make run", "a collector of your own, with an example order"),
        ("deploy/OFFICER.md", "how an officer uses it"),
        ("deploy/LAW.md", "what the law asks, and which test shows it"),
        ("ARCHITECTURE.md", "why it is built like this"),
    ):
        terminal.output(f"    {what:<44}{why}")


def places(play: Play) -> tuple[tuple[str, str], ...]:
    """Folder and what is in it."""
    return (
        (f"{OPERATOR}/data/segments/date={play.day}/", "what was recorded, Parquet"),
        (f"{OPERATOR}/data/exports/", "what was published, as it was signed"),
        (f"{OPERATOR}/data/audit/log.jsonl", "the audit log"),
        (f"{OPERATOR}/operations/, partners.toml", "the papers"),
        (f"{SHADOWSERVER}/publications/000001/", "what a partner pulled"),
        ("botnet/ledger.csv", "what the machines noted"),
    )


def wait_for_visitors(play: Play) -> None:
    """Until Ctrl-C. Raises DoesNotHold if the collector ends before."""
    stage, terminal = play.stage, play.terminal
    terminal.verdict("The collector goes on, until you press Ctrl-C.", good=True)
    terminal.say(
        f"Follow deploy/PARTNERS.md in {stage.of(VISITOR)}, where token and pentrap.pub lie; your address is {stage.pull} ."
        " To be an infected machine, and see it in a supplement a few seconds later:"
    )
    terminal.line(
        f"\n    curl -i --interface 127.64.0.9 -H 'Host: {listed_domain(stage)}' http://127.0.0.1:{stage.plain_port}/"
    )
    terminal.line(f"    cd {stage.of(OPERATOR)}")
    terminal.line(f"    pentrap export --config pentrap.toml --date {play.day}")
    assert play.process is not None
    try:
        while play.process.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        stop(play)
        return
    raise DoesNotHold(f"the collector ended by itself:\n{play.process.tail()}")


def listed_domain(stage: Stage) -> str:
    """A domain of the schedule."""
    return stage.operations[0].with_suffix(".csv").read_text().splitlines()[1].partition(",")[0]


def wait_past_midnight(terminal: Terminal) -> None:
    """So that all check-ins are of one UTC day."""
    left = DAY_SECONDS - time.time() % DAY_SECONDS
    if left < MIDNIGHT_SECONDS:
        terminal.say(f"The UTC day ends in {left:.0f} s; the story begins with the next one.")
        time.sleep(left + 1)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
