"""The clerk's part in the partners' interface: it listens where partners.toml names somebody, and reads both anew at a reload.

An address that cannot be had at a start is the supervisor's to tell (pull_address.py); later, after a reload or when the clerk
is replaced, it is logged and tried again: a clerk that ends because of it would take sealing along.
"""

import contextlib
import ssl
import time
from pathlib import Path
from typing import Any

from collector.audit.log import read_entries
from collector.exports.partners import read_partners
from collector.ground import logs
from collector.ground.errors import CorruptError, Problem
from collector.manage.pull import PullApi
from collector.manage.pull_access import Access
from collector.manage.pull_counts import PullCounts
from collector.manage.pull_pages import pages
from collector.manage.pull_record import PullRecord
from collector.manage.pull_server import PullServer, context_of
from collector.manage.settings import split_address
from collector.service.settings import Settings

AGAIN_SECONDS = 5.0


class Pulling:
    """The interface of one clerk."""

    def __init__(self, settings: Settings, counts: PullCounts, log: Any) -> None:
        self._settings, self._counts, self._log = settings, counts, log
        self._access = Access(settings.data_dir, ())
        self._server: PullServer | None = None
        self._context: ssl.SSLContext | None = None
        self._api: PullApi | None = None
        self._record: PullRecord | None = None
        self._next = 0.0
        self._read_partners()
        self._count_earlier()

    @property
    def partners(self) -> frozenset[str]:
        """Those that take part."""
        return self._access.partners

    def expiries(self) -> dict[str, float]:
        """By partner: when its last valid token expires, seconds since 1970; 0 where it has none."""
        return self._access.expiries()

    async def look(self) -> None:
        """Start where it is time to; the interface's own chores. Twice a second or so."""
        if self._server is None and self._access.partners and time.monotonic() >= self._next:
            await self._start()
        if self._api is not None and self._server is not None:
            self._server.mind()
            await self._api.keep_count()

    def reload(self) -> None:
        """Partners, and the certificate: what is asked from now on is answered with the new ones."""
        self._read_partners()
        self._next = 0.0
        if self._context is not None:
            try:
                self._context.load_cert_chain(*self._certificate())
            except OSError as error:
                self._log.error("pull_certificate_refused_old_one_stays", place=logs.place(error))

    async def stop(self) -> None:
        """Let what is under way end for a moment, and tell the log the rest."""
        if self._server is None or self._api is None or self._record is None:
            return
        await self._server.stop()
        await self._api.close()
        await self._record.close()
        self._server = None

    async def _start(self) -> None:
        settings = self._settings
        host, port = split_address(settings.pull.listen)
        record = PullRecord(settings.data_dir / "audit")
        documents = pages(settings.data_dir, settings.signing_key)
        api = PullApi(settings.data_dir, documents, self._access, record, self._counts)
        server = PullServer(api)
        try:
            self._context = (
                context_of(*self._certificate(), self._authority()) if settings.pull.tls_cert else None
            )
            await server.listen(host, port, self._context)
        except OSError as error:
            self._log.error("pull_not_listening", place=logs.place(error), errno=error.errno)
            self._next = time.monotonic() + AGAIN_SECONDS
            return
        self._server, self._api, self._record = server, api, record
        self._log.info("pull_listening", listen=settings.pull.listen, tls=self._context is not None)

    def _read_partners(self) -> None:
        problems: list[Problem] = []
        partners = read_partners(self._settings.partners_file, problems)
        if problems:
            self._log.error("partners_refused_old_ones_stay", problems=len(problems))
            return
        self._access.partners = self._counts.partners = frozenset(one.name for one in partners)

    def _certificate(self) -> tuple[Path, Path]:
        folder, pull = self._settings.file.parent, self._settings.pull
        return folder / pull.tls_cert, folder / pull.tls_key

    def _authority(self) -> Path | None:
        pull = self._settings.pull
        return self._settings.file.parent / pull.client_ca if pull.client_ca else None

    def _count_earlier(self) -> None:
        """When each partner last pulled: the log says it."""
        with contextlib.suppress(OSError, CorruptError):
            for entry in read_entries(self._settings.data_dir / "audit"):
                facts = entry.facts
                if (
                    entry.event == "pulled"
                    and "order" in facts
                    and facts["status"] in (200, 206)
                    and facts["bytes"]
                ):
                    self._counts.pulled(facts["partner"], entry.time_us / 1e6)
