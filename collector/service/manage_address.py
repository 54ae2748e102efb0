"""Whether the management plane can have its address and its token: asked before a start, and by `check`.

Asked by the clerk alone it would be too late: machines would be answered while metrics and health are nowhere. An empty
token file is refused, since it would guard nothing.
"""

from collector.ground.errors import Problem
from collector.manage.settings import is_loopback
from collector.service.pull_address import why_not
from collector.service.settings import Settings


def token_of(settings: Settings) -> str:
    """What callers must show; "" where nobody has to. Raises OSError, UnicodeDecodeError."""
    manage = settings.manage
    if not manage.token_file or is_loopback(manage.listen):
        return ""
    return (settings.file.parent / manage.token_file).read_text(encoding="ascii").strip()


def token_problems(settings: Settings) -> list[Problem]:
    """What is wrong with the token's file. No word of it is told."""
    manage = settings.manage
    if not manage.token_file or is_loopback(manage.listen):
        return []
    try:
        found = "" if token_of(settings) else f"{manage.token_file}: empty"
    except OSError as error:
        found = f"{manage.token_file}: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        found = f"{manage.token_file}: not ASCII"
    expected = "a file with the token that callers must show"
    remedy = f"openssl rand -hex 32 > {manage.token_file}, readable by the collector's user"
    return [Problem(str(settings.file), "[manage] token_file", found, expected, remedy)] if found else []


def start_problems(settings: Settings) -> list[Problem]:
    """What would keep it from serving now."""
    problems = token_problems(settings)
    if reason := why_not(settings.manage.listen):
        found, expected = f"{settings.manage.listen}: {reason}", "an address of this machine and a free port"
        remedy = "stop what has the port, or choose another"
        problems.append(Problem(str(settings.file), "[manage] listen", found, expected, remedy))
    return problems
