"""The alerting rules as they stand in the file, and what they name."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "rules" / "pentrap.yml"
CASES = sorted((FOLDER / "tests").glob("*.yml"))
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "pentrap.json"


def alerts() -> dict[str, dict]:
    """Each rule by its alert's name."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    found = {rule["alert"]: rule for rule in rules}
    assert len(found) == len(rules), "an alert twice"
    return found


def metrics_in(expression: str) -> set[str]:
    """The series that a PromQL expression names; `up` is Prometheus' own."""
    return set(re.findall(r"\b(?:pentrap|process)_[a-z0-9_]+\b", expression))
