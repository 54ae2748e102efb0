"""Who had an address: an access for each order whose files are looked into (law.md L-20a, L-33a)."""

from contextlib import ExitStack

from collector.audit.access import access
from collector.audit.log import read_entries
from collector.custody.known_orders import known_orders
from collector.exports.day import ENGINE_FOLDER, exports_turn, work_folder
from collector.exports.disclosure import Asked, Disclosure, disclosures
from collector.exports.engine import Engine
from collector.exports.publication import partners, publications
from collector.ground import files
from collector.service.acts import ActsDesk

PURPOSE = "disclosed"


def disclosed(desk: ActsDesk, address: str, from_us: int, until_us: int, reason: str) -> list[Disclosure]:
    """Every file that has it, or may have had it. Raises CorruptError, EngineError, OSError."""
    settings, data_dir = desk.settings, desk.settings.data_dir
    asked = Asked(address, from_us, until_us)
    with exports_turn(data_dir), work_folder(data_dir) as folder, ExitStack() as readings:
        concerned = [
            one
            for partner in partners(data_dir)
            for one in publications(data_dir, partner)
            if asked.days(one.manifest)
        ]
        known = known_orders(desk.ledger())
        for order in sorted({one.manifest.order for one in concerned}):
            operation = known[order].operation
            facts = {"operation": operation, "order": order, "actor": desk.actor}
            readings.enter_context(access(data_dir, desk.log, **facts, reason=reason, purpose=PURPOSE))
        engine_folder = folder / ENGINE_FOLDER
        engine_folder.mkdir(mode=files.DIRECTORY_MODE)
        with Engine(engine_folder, settings.export.memory_mb, settings.export.temp_max_gb) as engine:
            return disclosures(engine, data_dir, concerned, read_entries(data_dir / "audit"), asked)
