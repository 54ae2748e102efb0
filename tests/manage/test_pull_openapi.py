"""The interface's own description is served, and true: schemathesis asks the running server whatever the description
allows, and whatever it does not.
"""

import subprocess
import sys
from pathlib import Path

from pull_world import listening

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
CONFIG = """
[checks]
# A condition that does not hold (412) and a range beyond the end (416) are answers to requests of the right form.
positive_data_acceptance.expected-statuses = ["2xx", 304, 401, 404, 412, 416]
"""


def test_the_description_is_true(tmp_path):
    """No server error, no status, header, type or body that the description does not have, no request accepted that it
    does not allow, none refused that it allows, and nothing without the token: every operation, by examples,
    boundaries, chance and in sequences.
    """
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    with listening(tmp_path / "world") as made:
        token = made.give("cert-a")
        made.settle()
        done = subprocess.run(
            [
                SCHEMATHESIS,
                "--config-file",
                "schemathesis.toml",
                "run",
                f"http://127.0.0.1:{made.port}/v1/openapi.json",
                "-H",
                f"Authorization: Bearer {token}",
                "--checks",
                "all",
                "-n",
                "30",
                "--seed",
                "31",
                "--no-color",
                "--phases",
                "coverage,fuzzing,stateful",
                "--request-timeout",
                "10",
                "--continue-on-failure",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        statuses = {facts["status"] for facts in made.entries()}
        assert statuses >= {200, 404, 405}
        assert "9 selected / 9 total" in done.stdout or "Operations:" in done.stdout


def test_the_description_names_every_route(tmp_path):
    """Each path of the description answers 200 with the token, GET and HEAD alike, with the same headers."""
    with listening(tmp_path) as made:
        token = made.give("cert-a")
        made.settle()
        import json

        document = json.loads(made.ask("/v1/openapi.json", token).body)
        filled = {"sequence": "1", "file": "manifest.json"}
        for path, operations in document["paths"].items():
            for dataset in next(
                (one["schema"]["enum"] for one in operations["parameters"] if one["name"] == "dataset"), [""]
            ):
                place = path.format(**filled, dataset=dataset)
                whole, head = made.ask(place, token), made.ask(place, token, "HEAD")
                assert (whole.status, head.status, head.body) == (200, 200, b""), place
                assert set(whole.headers) == set(head.headers)
                assert whole.headers["content-length"] == head.headers["content-length"]
