"""Leaks planted into a running collector, to see that the tests of L-12 find them.

Python imports a module of this name at its start if it stands on PYTHONPATH; tests/promises/test_planted_leaks.py puts
this folder there and names one leak in PLANTED_LEAK. Every function below named `leak_...` is what a careless change
could look like. Nothing here is part of the collector.
"""

import base64
import gzip
import hashlib
import mmap
import os
import sys
import traceback
import zlib

LAST = mmap.mmap(-1, 4096)
"""Made before the processes are, so that what a worker saw can leak from the clerk or the supervisor."""


def last() -> bytes:
    """What a worker has put there."""
    return LAST[:].rstrip(b"\0")


def seen(action) -> None:
    """Have `action(content, name)` called for each first segment on the fast path: a plain head, and any other."""
    from collector.intake import accept

    plain_host, classify = accept.plain_host, accept.classify

    def plain(content, limit):
        name = plain_host(content, limit)
        if name is not None:
            action(bytes(content[:limit]), name)
        return name

    def other(content, ended):
        verdict = classify(content, ended)
        if verdict is not None:
            action(content, verdict.name or b"")
        return verdict

    accept.plain_host, accept.classify = plain, other


def keep_host() -> None:
    """Remember the first host that no schedule lists."""

    def action(_, name):
        if name and not name.endswith((b"evil-one.com", b"evil-two.net")) and not last():
            LAST[: len(name)] = name

    seen(action)


def path_of(content: bytes) -> bytes:
    """The target's path."""
    parts = content.split(b" ", 2)
    return parts[1].partition(b"?")[0] if len(parts) > 1 else b"-"


def log():
    """A worker's logger."""
    from collector.ground import logs

    return logs.get("planted")


def leak_host_in_a_log_line():
    seen(lambda _, name: log().debug("checkin", host=name.decode("latin-1")))


def leak_agent_in_an_event_name():
    seen(
        lambda content, _: log().debug(
            "agent " + content.partition(b"User-Agent: ")[2][:40].decode("latin-1")
        )
    )


def leak_exception_text():
    def action(content, _):
        try:
            int(content)
        except ValueError as error:
            log().warning("odd_number", error=str(error))

    seen(action)


def leak_traceback_on_stderr():
    def action(content, _):
        try:
            {}[content]
        except KeyError:
            traceback.print_exc()

    seen(action)


def pack_with(change) -> None:
    """Have `change(content, name, fields)` alter what is packed into a record, on either path."""
    from collector.intake import accept, desk

    latest = []
    seen(lambda content, name: latest.append((content, name)))
    real = accept._pack_into

    def pack(buffer, offset, *fields):
        real(buffer, offset, *change(*latest[-1], list(fields)))

    accept._pack_into = desk._pack_into = pack


def leak_hash_of_the_path_in_a_field():
    def change(content, _, fields):
        fields[4] = int.from_bytes(hashlib.sha256(path_of(content)).digest()[:4], "little")
        return fields

    pack_with(change)


def leak_checksum_of_the_host_in_a_field():
    def change(_, name, fields):
        fields[4] = zlib.crc32(name)
        return fields

    pack_with(change)


def leak_content_in_an_address():
    def change(content, _, fields):
        fields[1] = path_of(content)[1:17].ljust(16)
        return fields

    pack_with(change)


def leak_md5_in_a_log_line():
    seen(lambda content, _: log().info("checkin", fingerprint=hashlib.md5(path_of(content)).hexdigest()))


def leak_short_sha256_in_a_log_line():
    seen(lambda content, _: log().info("checkin", fingerprint=hashlib.sha256(content).hexdigest()[:16]))


def leak_base64_on_stdout():
    seen(lambda content, _: print("x", base64.b64encode(content).decode(), flush=True))


def leak_compressed_log_line():
    seen(lambda content, _: log().info("checkin", packed=base64.b64encode(zlib.compress(content)).decode()))


def journal() -> str:
    """The one folder that a caged worker can write to."""
    return os.path.join(os.path.dirname(os.environ["TMPDIR"]), "data", "journal")


def leak_temporary_file():
    def action(content, _):
        with open(os.path.join(journal(), f"debug-{os.getpid()}"), "ab") as file:
            file.write(content)

    seen(action)


def leak_compressed_file():
    def action(content, _):
        with gzip.open(os.path.join(journal(), "heads.gz"), "ab") as file:
            file.write(content)

    seen(action)


def leak_file_name():
    seen(lambda _, name: open(os.path.join(journal(), name.hex()[:200] or "none"), "w").close())


def leak_extended_attribute():
    keep_host()
    from collector.segments import write

    real = write.rows_to_table

    def rows_to_table(*arguments):
        os.setxattr(os.environ["TMPDIR"], "user.last", last()[:32])
        return real(*arguments)

    write.rows_to_table = rows_to_table


def leak_tail_of_the_journal():
    from collector.journal.stream import Stream

    contents = []
    seen(lambda content, _: contents.append(content))
    real = Stream.append

    def append(self, *arguments):
        real(self, *arguments)
        os.write(self._descriptor, contents[-1] if contents else b"")

    Stream.append = append


def leak_later_body():
    from collector.intake.farewell import Farewell

    real = Farewell._settle

    def settle(self, socks):
        import socket

        for sock in socks:
            try:
                log().debug(
                    "late", body=sock.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT).decode("latin-1")
                )
            except OSError:
                continue
        return real(self, socks)

    Farewell._settle = settle


def leak_datagram():
    from collector.intake import datagrams

    real = datagrams.Datagrams.__init__

    def init(self, *arguments):
        real(self, *arguments)
        self._buffers[0].extend(bytes(2000))

    datagrams.Datagrams.__init__ = init
    take = datagrams.Datagrams.take

    def taken(self):
        count = take(self)
        log().debug("datagram", payload=self._buffers[0].hex())
        return count

    datagrams.Datagrams.take = taken


def leak_extra_column():
    keep_host()
    from collector.segments import write

    real = write.rows_to_table

    def rows_to_table(*arguments):
        import pyarrow as pa

        table = real(*arguments)
        words = pa.array([last().decode("latin-1")] * len(table)).dictionary_encode()
        return table.append_column("host", words)

    write.rows_to_table = rows_to_table


def leak_parquet_metadata():
    keep_host()
    from collector.segments import write

    real = write.metadata
    write.metadata = lambda *arguments: real(*arguments) | {"pentrap.host": last().decode("latin-1")}


def leak_metric_label():
    keep_host()
    from prometheus_client.core import GaugeMetricFamily

    from collector.manage.circumstances import Circumstances

    real = Circumstances.collect

    def collect(self):
        yield from real(self)
        gauge = GaugeMetricFamily("pentrap_unlisted", "Unlisted hosts", labels=("host",))
        gauge.add_metric((last().decode("latin-1"),), 1)
        yield gauge

    Circumstances.collect = collect


def leak_readiness():
    keep_host()
    from collector.service.clerk import Clerk

    real = Clerk.readiness
    Clerk.readiness = lambda self: real(self) | {"last": last().decode("latin-1")}


def before_each_audit_entry(action) -> None:
    """Have `action(log)` called for each, by whichever process appends; the closed table of facts is opened."""
    keep_host()
    from collector.audit import log as audit

    real = audit.AuditLog.append
    audit.check_facts = lambda *_: None
    audit.AuditLog.append = lambda self, event, now_us, **facts: real(
        self, event, now_us, **facts, **action(self)
    )


def leak_audit_entry():
    before_each_audit_entry(lambda _: {"unlisted": last().decode("latin-1")})


def leak_audit_text():
    from collector.audit import texts

    before_each_audit_entry(lambda log: {"text": texts.keep(log._directory, b"configuration " * 99 + last())})


def leak_name_in_the_audit_folder():
    def action(log):
        (log._directory / ("note-" + last().decode("latin-1"))).touch()
        return {}

    before_each_audit_entry(action)


def leak_answer():
    from collector.intake.commit import Committer

    contents = [b""]
    seen(lambda content, _: contents.append(content))
    real = Committer.release
    Committer.release = lambda self, held: real(
        self, [(sock, answer + path_of(contents[-1])) for sock, answer in held]
    )


if os.environ.get("PLANTED_LEAK") and sys.argv[0].endswith("pentrap"):
    globals()["leak_" + os.environ["PLANTED_LEAK"]]()
