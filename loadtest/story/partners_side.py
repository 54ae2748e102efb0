"""The chapters after the day is published: partners fetch, an analyst reads, all is checked again, the collector stops."""

import re
import shutil
import time

from story.commands import DoesNotHold, sql
from story.papers import CERT, COUNTRY, SHADOWSERVER
from story.play import CONFIG, LOADTEST, Play
from story.stage import OPERATOR, VISITOR

GUIDE = LOADTEST.parent / "deploy" / "PARTNERS.md"
TOKEN_SECONDS = 1.0
"""The collector looks at its tokens twice a second."""


def partners(play: Play) -> None:
    """Partners are given access, and fetch."""
    play.terminal.say(
        "Each partner gets a token, shown once, and an onboarding sheet. This is Shadowserver's, without the token:"
    )
    for partner in (SHADOWSERVER, CERT):
        play.run(OPERATOR, f"(umask 077; pentrap partner add {CONFIG} {partner} > {partner}.sheet)")
    play.run(OPERATOR, f"sed -n '/^Publications/,/^ *keep/p' {SHADOWSERVER}.sheet")
    for partner in (SHADOWSERVER, CERT):
        play.run(OPERATOR, handed_over(f"{partner}.sheet", partner))
    play.terminal.say(
        "The partners' turn. Nothing gets its name before signature, chain, size and hash are verified."
    )
    time.sleep(TOKEN_SECONDS)
    for partner in (SHADOWSERVER, CERT):
        play.run(
            partner,
            f"pentrap pull {play.stage.pull} --token-file token --key pentrap.pub \\\n    --to publications",
        )
    play.accounts.compare_pulled(play.stage.site.data, SHADOWSERVER, play.stage.of(SHADOWSERVER))
    play.accounts.compare_pulled(play.stage.site.data, CERT, play.stage.of(CERT))


def handed_over(sheet: str, to: str) -> str:
    """The commands that make a partner's two files out of its sheet."""
    return (
        f"(umask 077; grep -o 'ptr_.*' {sheet} > ../{to}/token)\n"
        f"grep -o 'ssh-ed25519 .*' {sheet} > ../{to}/pentrap.pub"
    )


def analyst(play: Play) -> None:
    """An analyst reads what was pulled."""
    if shutil.which("ssh-keygen"):
        play.terminal.say("The signature, checked with a tool that is not ours:")
        play.run(
            SHADOWSERVER,
            "sed 's/^/pentrap namespaces=\"pentrap-export\" /' pentrap.pub > allowed_signers\n"
            "cd publications/000001 && ssh-keygen -Y verify -f ../../allowed_signers -I pentrap \\\n"
            "    -n pentrap-export -s manifest.json.sig < manifest.json && sha256sum --check SHA256SUMS",
        )
    else:
        play.terminal.say("(ssh-keygen is not installed here: it would verify the signature as well.)")
    play.terminal.say("The first look that deploy/PARTNERS.md suggests, by DuckDB:")
    play.run(SHADOWSERVER, sql(first_look()))
    play.terminal.say(f"And the CERT's analyst: nothing but {COUNTRY}, of both orders.")
    play.run(
        CERT,
        sql(
            "SELECT order_id, src_geo, src_asn, count(*) AS check_ins, count(DISTINCT src_ip) AS addresses\n"
            "FROM read_parquet('publications/*/*-events-*.parquet') GROUP BY ALL ORDER BY ALL"
        ),
    )
    play.accounts.countries_of(play.stage.of(CERT), {COUNTRY})


def first_look() -> str:
    """The guide's first block of SQL."""
    found = re.search(r"^```sql\n(.*?);?\n```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{GUIDE}: no block of SQL"
    return found[1]


def proof(play: Play) -> None:
    """Everything again, from what lies there."""
    play.terminal.say(
        "Anybody can check it all again: the audit log, every collected file, every publication."
    )
    play.run(OPERATOR, f"pentrap verify {CONFIG}")
    play.run(SHADOWSERVER, "pentrap verify publications --key pentrap.pub")
    play.terminal.say("What the audit log has of this minute, each entry on disk before its act took effect:")
    play.run(
        OPERATOR,
        sql(
            "SELECT event, count(*) AS entries, min(time) AS first\n"
            "FROM read_json('data/audit/log.jsonl') GROUP BY ALL ORDER BY first"
        ),
    )
    play.run(OPERATOR, "grep '\"pulled\"' data/audit/log.jsonl | tail -n 1")


def stop(play: Play) -> None:
    """The collector stops."""
    assert play.process is not None
    play.terminal.command(OPERATOR, 'kill -TERM "$(cat data/lock)"; wait')
    code, _ = play.process.stop()
    if code:
        raise DoesNotHold(f"pentrap serve: found exit code {code}, expected 0; see {play.process.log}")
    play.run(OPERATOR, "tail -n 1 data/audit/log.jsonl")


def visitor(play: Play) -> None:
    """A folder in which somebody may follow the partners' guide."""
    play.terminal.say("And for you, as one of Shadowserver's analysts, an account of your own:")
    play.stage.of(VISITOR).mkdir(mode=0o700)
    play.run(
        OPERATOR,
        f"(umask 077; pentrap partner add {CONFIG} {SHADOWSERVER} --account visitor \\\n    > visitor.sheet)\n"
        + handed_over("visitor.sheet", VISITOR),
    )
