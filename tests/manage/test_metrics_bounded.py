"""How many series there are is what the configuration says, whatever comes in."""

import contextlib
import http.client
import json
import os
import random
import re
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta

from collectors import PENTRAP, Collector, exchange, get, write_operation

FIXED = 84  # the equation, histograms, journal, disk, clock …; the supervisor's CPU, memory and descriptors; an export's memory
FOR_EACH_WORKER = 5  # up, restarts, CPU, memory, descriptors; the clerk's likewise
UNTOLD = (
    0 if os.stat("/proc/self/fd").st_size else 1
)  # before Linux 6.2: nobody's descriptors but the clerk's
FOR_EACH_ORDER = 3  # active, ends, return due
FOR_EACH_OPERATION = 1  # the injunction's end, where it has one
REGISTRIES = 2  # of tests/collectors.py's schedule, with something to be reached
FOR_EACH_REGISTRY = 2  # last reached, domains
FOR_EACH_PARTNER = 5  # last success, newest publication, rows, last pulled, token
SEALED = ("SEALED-DOCKET", "SEALED-COURT", "Officer", "evil-one", "andromeda", "127.0", "ptr_")


def partners(count: int) -> str:
    return "".join(
        f'[[partner]]\nname = "cert-{number}"\ncontact = "desk"\npurpose = "warn"\ndatasets = ["events"]\n'
        'formats = ["parquet"]\nretention_days = 30\n'
        for number in range(count)
    )


def orders(count: int, annexes: int) -> str:
    """Orders one after another, the first in force today; the annexes stand in the first."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    made = ""
    for number in range(count):
        starts = today + timedelta(days=20 * number - 1)
        made += (
            f'[[order]]\nid = "op-{number}"\nkind = "pen-trap"\ndocket = "SEALED-DOCKET"\nofficers = ["Officer A"]\n'
            f"issued = {today:%Y-%m-%dT%H:%M:%SZ}\nstarts = {starts:%Y-%m-%dT%H:%M:%SZ}\n"
            f"ends = {starts + timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}\n"
        )
        if not number:
            made += "".join(
                f'[[order.annex]]\npartner = "cert-{one}"\ntlp = "AMBER"\n' for one in range(annexes)
            )
    return made


def configure(folder, count_orders: int, count_partners: int) -> None:
    path = write_operation(folder / "operations", orders=orders(count_orders, count_partners))
    path.write_text(path.read_text().replace("[answer]", "expires = 2030-01-01T00:00:00Z\n[answer]", 1))
    (folder / "partners.toml").write_text(partners(count_partners))


def series(made: Collector) -> set[str]:
    page = made.get("/metrics").decode()
    return {line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")}


def expected(count_orders: int, count_partners: int, workers: int = 2) -> int:
    return (
        FIXED
        + FOR_EACH_WORKER * (workers + 1)
        - UNTOLD * (workers + 1)
        + FOR_EACH_ORDER * count_orders
        + FOR_EACH_OPERATION
        + FOR_EACH_REGISTRY * REGISTRIES
        + FOR_EACH_PARTNER * count_partners
    )


def busy_traffic(made: Collector, count: int) -> None:
    """Names, addresses, ports, paths and protocols that never were before; listed or not, whole or broken."""
    order = random.Random(5)
    for number in range(count):
        name = f"{order.randrange(1 << 40):x}.{order.choice(('evil-one.com', 'example', 'evil-two.net'))}"
        head = order.choice(
            (
                get(name.encode(), f"/{number}".encode()),
                f"\x16\x03\x01{name}".encode(),
                name.encode(),
                b"GET",
            )
        )
        with (
            contextlib.suppress(OSError),
            socket.create_connection(
                ("127.0.0.1", made.port), 5, (f"127.{number % 200 + 1}.{number % 7}.9", 0)
            ) as sock,
        ):
            sock.sendall(head)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(head, ("127.0.0.1", made.udp_port))


def ask(made: Collector, path: str, token: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", made.pull_port, timeout=10)
    with contextlib.closing(connection):
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(headers.pop("method", "GET"), path, headers=shown | headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.03)


def test_the_count_of_series_is_what_the_configuration_says(tmp_path) -> None:
    """Traffic of any kind adds none. Workers, orders, operations and partners add the same few each, and go with their files;
    partners' requests add one for each status that they were given, whatever they ask for. None holds anything sealed.
    """
    configure(tmp_path, 1, 1)
    made = Collector(tmp_path, settings={"intake.workers": 2})
    with made.start():
        exchange(made.port, get())
        until(
            lambda: (
                sum('process="intake-' in one for one in series(made)) == 2 * (FOR_EACH_WORKER - UNTOLD)
                and sum("pentrap_registry_" in one for one in series(made)) == FOR_EACH_REGISTRY * REGISTRIES
            )
        )
        first = series(made)
        assert len(first) == expected(1, 1)
        busy_traffic(made, 600)
        exchange(made.port, get())
        assert series(made) == first

        configure(tmp_path, 4, 6)
        made.reload()
        until(lambda: sum("order_active" in one or "last_pulled" in one for one in series(made)) == 4 + 6)
        grown = series(made)
        assert len(grown) == expected(4, 6)
        assert first <= grown

        command = [PENTRAP, "partner", "add", "--config", made.config, "cert-3", "--json"]
        token = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["token"]
        until(lambda: ask(made, "/v1/key", token) == 200)
        statuses = {
            ("cert-3", ask(made, f"/v1/publications/{number}/x{number}", token)) for number in range(40)
        }
        statuses |= {
            ("cert-3", ask(made, "/v1/key", token)),
            ("cert-3", ask(made, "/v1/key", token, method="PUT")),
        }
        statuses |= {("none", ask(made, f"/{number}", "" if number % 2 else "wrong")) for number in range(40)}
        asked = series(made) - grown
        assert {re.sub(r'.*code="(\d+)".*', r"\1", one) for one in asked} == {
            str(status) for _, status in statuses
        } | {"401"}
        assert len(asked) == len(statuses | {("none", 401)})

        configure(tmp_path, 1, 1)
        made.reload()
        until(lambda: not any('order="op-3"' in one for one in series(made)))
        assert series(made) == first | asked
        for word in SEALED:
            assert not any(word in one for one in series(made))
