"""The tests of L-12 are tested: each planted leak is found by their search, at the place where it was planted."""

import re
from pathlib import Path

import pytest
from canaries import Canaries
from conversations import Talk, ask_the_operators_side
from test_l12_canaries import talking

PLANTED = Path(__file__).with_name("planted")
SEED = 99
QUICK = {"intake.head_deadline_seconds": 0.1, "segments.seal_seconds": 0.1}
WHERE = {
    "host_in_a_log_line": "serve.log",
    "agent_in_an_event_name": "serve.log",
    "exception_text": "serve.log",
    "traceback_on_stderr": "serve.log",
    "md5_in_a_log_line": "serve.log.*md5 in hex",
    "short_sha256_in_a_log_line": "serve.log.*sha256 in hex",
    "base64_on_stdout": "serve.log.*base64",
    "compressed_log_line": "serve.log, compressed",
    "later_body": "serve.log: .*(later|body)",
    "datagram": "serve.log: datagram",
    "hash_of_the_path_in_a_field": "parquet, column bytes_in: .*path: sha256",
    "checksum_of_the_host_in_a_field": "parquet, column bytes_in: .*crc32",
    "content_in_an_address": "parquet, column src_ip",
    "temporary_file": "data/journal/debug-",
    "compressed_file": "data/journal/heads.gz, compressed",
    "file_name": "the name data/journal/.*hex",
    "extended_attribute": "tmp .attribute.",
    "tail_of_the_journal": "damaged",
    "extra_column": "parquet, column host",
    "parquet_metadata": "parquet, metadata",
    "metric_label": "the operator's side",
    "readiness": "the operator's side",
    "audit_entry": "audit/log.jsonl",
    "audit_text": "audit/texts/",
    "name_in_the_audit_folder": "the name data/audit/note-",
    "answer": "answers",
}


def test_every_planted_leak_has_its_place():
    """The list above and the leaks that can be planted are the same."""
    planted = re.findall(r"^def leak_(\w+)", (PLANTED / "sitecustomize.py").read_text(), re.MULTILINE)
    assert sorted(planted) == sorted(WHERE)
    assert len(WHERE) >= 8


@pytest.mark.parametrize("leak", sorted(WHERE))
def test_a_planted_leak_is_found(tmp_path, leak):
    """The collector runs with this leak in it, is talked to and stopped as in the test of L-12: the search must find it."""
    canaries = Canaries(SEED)
    environment = {"PYTHONPATH": str(PLANTED), "PLANTED_LEAK": leak, "PYTHONDONTWRITEBYTECODE": "1"}
    with talking(tmp_path, environment=environment, settings=QUICK) as collector:
        collector.start()
        talk = Talk(collector, canaries)
        talk.some_of_everything()
        collector.settled_fates(talk.said, wait=1)
        found = canaries.hits(ask_the_operators_side(collector, canaries), "the operator's side")
        collector.stop()
    found += canaries.hits(talk.answers, "answers") + canaries.search(tmp_path)
    places = [hit for hit in found if re.search(WHERE[leak], hit, re.DOTALL)]
    assert places, found[:5]
