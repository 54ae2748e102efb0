"""What the system refused a command: a folder that cannot be read, a disk that is full. Told as other mistakes are."""

import errno
import os

_REMEDIES = {
    errno.ENOSPC: "make room on its disk, then run the command again",
    errno.EDQUOT: "make room, or raise the quota, then run the command again",
    errno.EACCES: "run the command as the collector's user, or give that user the right",
    errno.EPERM: "run the command as the collector's user, or give that user the right",
    errno.EROFS: "mount it writable, or name another place in the settings",
}
_REMEDY = "see what stands there and whether its disk works, then run the command again"


def refusal(operation: str, error: OSError, place: str = "its files") -> str:
    """Operation, path, the system's reason, remedy. `place` is told where the system names no path, as of a full disk."""
    named = error.filename
    where = os.fsdecode(named) if isinstance(named, str | bytes | os.PathLike) else place
    reason = error.strerror or str(error) or type(error).__name__
    return f"{operation}: {where}: {reason}\n    remedy:   {_REMEDIES.get(error.errno or 0, _REMEDY)}"
