"""Run the collector until SIGTERM or Ctrl-C; SIGHUP reloads operations and schedules."""

import argparse
import sys

from collector.ground import logs
from collector.service import settings as service_settings
from collector.service import supervisor


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument("--log-level", choices=tuple(logs.LEVELS), default="info", help="default: info")


def run(chosen: argparse.Namespace) -> int:
    """Serve; the exit code."""
    logs.configure(chosen.log_level)
    settings = service_settings.load(chosen.config)

    def announce() -> None:
        lines = [
            "",
            "Pentrap answers on     " + "\n                       ".join(settings.intake.listen),
            f"status page            http://{settings.manage.listen}/  (and /metrics, /healthz, /readyz)",
            f"Parquet appears under  {settings.data_dir}/segments/ (about {settings.segments.seal_seconds} s after a check-in)",
            "Ctrl-C or SIGTERM stops it cleanly; SIGHUP reloads operations.",
            "",
        ]
        print("\n".join(lines), file=sys.stderr, flush=True)

    return supervisor.serve(settings, announce)
