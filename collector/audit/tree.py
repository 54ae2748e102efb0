"""The Merkle tree of RFC 6962 section 2.1 over SHA-256: hashes, proofs and their checks. Pure functions on bytes.

A leaf is hashed with a zero byte before it and a node with a one, so that no entry can pass for a node. The tree of n
leaves splits at the largest power of two below n; that makes the hash of every prefix of the log, its root at that size,
computable from the hashes of whole subtrees: `Frontier` holds just those, one for each bit of n.

Checks follow RFC 9162 section 2.1.3.2 and 2.1.4.2.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY = sha256(b"").digest()
"""The root of no entries."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


class Frontier:
    """The right edge of a growing tree: the roots of its whole subtrees, largest first. Appending costs O(1) on average."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        count = self.size
        while count & 1:
            leaf = node_hash(self._subtrees.pop(), leaf)
            count >>= 1
        self._subtrees.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._subtrees:
            return EMPTY
        joined = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            joined = node_hash(subtree, joined)
        return joined


def inclusion_proof(leaves: Sequence[bytes], place: int) -> list[bytes]:
    """What proves that leaf `place` (from 0) is in the tree of these leaf hashes, lowest sibling first."""
    if not 0 <= place < len(leaves):
        raise IndexError(f"leaf {place} of a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if place < middle:
        return [*inclusion_proof(leaves[:middle], place), root(leaves[middle:])]
    return [*inclusion_proof(leaves[middle:], place - middle), root(leaves[:middle])]


def includes(leaf: bytes, place: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether `proof` shows that `leaf` is number `place` of the tree of `size` leaves with root `expected`."""
    if not 0 <= place < size:
        return False
    node, last, joined = place, size - 1, leaf
    for sibling in proof:
        if not last:
            return False
        if node & 1 or node == last:
            joined = node_hash(sibling, joined)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            joined = node_hash(joined, sibling)
        node >>= 1
        last >>= 1
    return not last and joined == expected


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """What proves that the first `old_size` leaves are still the beginning of these. `old_size` from 1 to all."""
    if not 0 < old_size <= len(leaves):
        raise IndexError(f"{old_size} leaves of a tree of {len(leaves)}")
    return _subproof(leaves, old_size, whole=True)


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [root(leaves)]
    middle = _split(len(leaves))
    if old_size <= middle:
        return [*_subproof(leaves[:middle], old_size, whole=whole), root(leaves[middle:])]
    return [*_subproof(leaves[middle:], old_size - middle, whole=False), root(leaves[:middle])]


def extends(old_size: int, old_root: bytes, size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `size` leaves begins with the tree of `old_size`."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == new_root
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if not last:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    return not last and old == old_root and new == new_root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
