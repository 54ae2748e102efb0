"""`pentrap identity`: what the world may know, once it may; nothing of an operation in it."""

import json
import subprocess
from datetime import UTC, datetime

import pytest
from collectors import PENTRAP, Collector, write_operation

from collector.orders.answer import Answer, answer_bytes, operators_header

TOLD = {"identity.name": "Sinkhole of Example CERT", "identity.contact": "abuse@sinkhole.example"}


def identity(folder, *words, unsealed=True, **settings):
    made = Collector(
        folder,
        settings={"intake.listen": ["tcp://192.0.2.7:80", "tcp://[2001:db8::7]:80", "tcp://0.0.0.0:81"]}
        | settings,
    )
    path = write_operation(folder / "operations")
    if unsealed:
        path.write_text(path.read_text().replace("status = 200", "status = 200\nunsealed = true"))
    made.write_config()
    command = [PENTRAP, "identity", "--config", made.config, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_public_operation_lets_us_say_who_we_are(tmp_path):
    """Addresses that others can reach, contact, and the header of our answers; as text, JSON and a warninglist."""
    text = identity(tmp_path, **TOLD).stdout
    assert "192.0.2.7/32" in text
    assert "2001:db8::7/128" in text
    assert "0.0.0.0" not in text
    assert "X-Sinkhole: malware" in text
    said = json.loads(identity(tmp_path, "--json", **TOLD).stdout)
    assert said["addresses"] == ["192.0.2.7/32", "2001:db8::7/128"]
    assert said["contact"] == "abuse@sinkhole.example"


def test_the_warninglist_is_misps(tmp_path):
    """Its schema's required keys, with their types, and a version that is today."""
    found = json.loads(
        identity(tmp_path, "--warninglist", **TOLD, **{"identity.addresses": ["198.51.100.0/24"]}).stdout
    )
    assert set(found) == {"name", "version", "description", "type", "matching_attributes", "list"}
    assert found["type"] == "cidr"
    assert found["list"] == ["198.51.100.0/24"]
    assert abs(found["version"] - int(datetime.now(UTC).strftime("%Y%m%d"))) <= 1
    assert "abuse@sinkhole.example" in found["description"]


def test_l30_a_sealed_operation_is_told_to_nobody(tmp_path):
    """No operation is public: exit 2 with the statute, and no address on stdout."""
    done = identity(tmp_path, unsealed=False, **TOLD)
    assert (done.returncode, done.stdout) == (2, "")
    assert "18 USC 3123(d)" in done.stderr


def test_l30_nothing_of_an_operation_is_told(tmp_path):
    """Neither operation, order, court, docket nor domain of the public operation is in any form of it."""
    for word in ("", "--json", "--warninglist"):
        said = identity(tmp_path, *filter(None, [word]), **TOLD).stdout
        assert said
        for secret in ("op-1", "SEALED", "evil-one", "Officer", '"op"'):
            assert secret not in said


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, "[identity] name"),
        ({"identity.name": "x"}, "[identity] contact"),
        (TOLD | {"intake.listen": ["tcp://0.0.0.0:80"]}, "[identity] addresses"),
        (TOLD | {"identity.addresses": ["everything"]}, "[identity] addresses"),
        (TOLD | {"identity.url": "ftp://x"}, "[identity] url"),
    ],
)
def test_what_is_missing_is_told(tmp_path, settings, place):
    """Each with its place; exit 2."""
    done = identity(tmp_path, **settings)
    assert done.returncode == 2
    assert place in done.stderr


@pytest.mark.parametrize(("header", "status"), [("X-Sinkhole: malware", 200), ("", 200), ("", 204)])
def test_the_operators_header_is_read_back(header, status):
    """From the bytes that machines get, with and without one."""
    assert operators_header(answer_bytes(Answer(status=status, header=header), b"")) == header
