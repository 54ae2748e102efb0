"""The files of deploy/, read as what they are."""

import tomllib
from pathlib import Path
from typing import Any

import yaml
from collectors import ROOT

from collector.service import settings as service_settings
from collector.service import supervisor

DEPLOY = ROOT / "deploy"
UID = 10001
"""The collector's user: in the image, in the pod, in sysusers."""


def documents(path: Path) -> list[dict[str, Any]]:
    """Each YAML document of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def settings(name: str) -> dict[str, Any]:
    """A settings file as tables."""
    return tomllib.loads((DEPLOY / name).read_text())


def stop_seconds_max() -> float:
    """How long the supervisor may take for a stop before it has killed whatever did not end (`Supervisor._stop`)."""
    deadline = service_settings.IntakeSettings().head_deadline_seconds
    return float(deadline) + supervisor.STOP_SECONDS + supervisor.STOP_SECONDS * 4


def seconds(text: str) -> float:
    """A duration of a Containerfile or a compose file: 30s, 2m."""
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]
