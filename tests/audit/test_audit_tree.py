"""The Merkle tree: RFC 6962's published roots and proofs, and that nothing but the truth verifies."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.audit.tree import (
    EMPTY,
    Frontier,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
)

ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
"""The eight entries of the Certificate Transparency project's own tests, with the roots of their first n."""
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
A96, A5F, A6B, ABC, ACA, AD3, A0E = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
)
INCLUSION = [
    (0, 1, []),
    (0, 8, [A96, A5F, A6B]),
    (5, 8, [ABC, ACA, AD3]),
    (2, 3, [ROOTS[2]]),
    (1, 5, [ROOTS[1], A5F, ABC]),
]
CONSISTENCY = [(1, 1, []), (1, 8, [A96, A5F, A6B]), (6, 8, [A0E, ACA, AD3]), (2, 5, [A5F, ABC])]


def slow_root(leaves):
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + slow_root(leaves[:split]) + slow_root(leaves[split:])).digest()


def trees(most=70):
    """Leaf hashes of a tree, all different."""
    return st.integers(1, most).map(lambda size: [leaf_hash(b"%d" % number) for number in range(size)])


def test_the_published_roots():
    """The first 0 … 8 of the eight published entries have the published roots, whole or grown leaf by leaf."""
    assert EMPTY.hex() == ROOTS[0]
    frontier = Frontier()
    assert frontier.root() == EMPTY
    for size in range(9):
        assert root(LEAVES[:size]).hex() == ROOTS[size]
        assert frontier.size == size
        assert frontier.root().hex() == ROOTS[size]
        if size < 8:
            frontier.append(LEAVES[size])


def test_leaf_and_node_are_told_apart():
    """A leaf is hashed behind a zero byte, a node behind a one: published single hashes."""
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert (
        node_hash(b"N123", b"N456").hex()
        == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )


@pytest.mark.parametrize(("place", "size", "proof"), INCLUSION)
def test_published_inclusion_proofs(place, size, proof):
    """The published audit paths are made, and hold."""
    hashes = [bytes.fromhex(one) for one in proof]
    assert inclusion_proof(LEAVES[:size], place) == hashes
    assert includes(LEAVES[place], place, size, hashes, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "size", "proof"), CONSISTENCY)
def test_published_consistency_proofs(old, size, proof):
    """The published consistency proofs are made, and hold."""
    hashes = [bytes.fromhex(one) for one in proof]
    assert consistency_proof(LEAVES[:size], old) == hashes
    assert extends(old, bytes.fromhex(ROOTS[old]), size, bytes.fromhex(ROOTS[size]), hashes)


def test_every_root_is_the_definitions():
    """Sizes 0 to 300: the quick root is the definition's."""
    leaves = [leaf_hash(b"%d" % number) for number in range(300)]
    for size in (*range(70), 127, 128, 129, 255, 256, 257, 300):
        assert root(leaves[:size]) == slow_root(leaves[:size])


def test_every_proof_up_to_33_leaves_holds_for_its_own_place_only():
    """Each leaf of each tree up to 33 leaves: its proof holds for its place and size, and for no other."""
    for size in range(1, 34):
        leaves = [leaf_hash(b"%d" % number) for number in range(size)]
        whole = root(leaves)
        for place in range(size):
            proof = inclusion_proof(leaves, place)
            assert includes(leaves[place], place, size, proof, whole)
            for other in range(-1, size + 2):
                assert includes(leaves[place], other, size, proof, whole) == (other == place)
            if proof:
                assert not includes(leaves[place], place, size, proof[:-1], whole)
                assert not includes(leaves[place], place, size, proof[1:], whole)
            assert not includes(leaves[place], place, size, [*proof, EMPTY], whole)


def test_every_consistency_up_to_33_leaves():
    """Each pair of sizes up to 33: its proof holds for these two roots and sizes, and for no others."""
    leaves = [leaf_hash(b"%d" % number) for number in range(33)]
    roots = [root(leaves[:size]) for size in range(34)]
    for size in range(1, 34):
        for old in range(1, size + 1):
            proof = consistency_proof(leaves[:size], old)
            assert extends(old, roots[old], size, roots[size], proof)
            assert not extends(old, EMPTY, size, roots[size], proof)
            assert not extends(old, roots[old], size, EMPTY, proof)
            assert not extends(old, roots[old], size, roots[size], [*proof, EMPTY])
            if proof:
                assert not extends(old, roots[old], size, roots[size], proof[:-1])
            for other in range(1, size + 1):
                if other != old:
                    assert not extends(other, roots[old], size, roots[size], proof)
            assert not extends(size, roots[size], old, roots[old], proof) or size == old


@given(trees(), st.data())
@settings(max_examples=60, deadline=None)
def test_no_changed_byte_is_included(leaves, data):
    """One bit changed in the leaf, the root or any hash of the path: the proof does not hold."""
    place = data.draw(st.integers(0, len(leaves) - 1))
    proof, whole = inclusion_proof(leaves, place), root(leaves)
    parts = [leaves[place], whole, *proof]
    which, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    parts[which] = (int.from_bytes(parts[which], "big") ^ (1 << bit)).to_bytes(32, "big")
    assert not includes(parts[0], place, len(leaves), parts[2:], parts[1])


@given(trees(), st.data())
@settings(max_examples=60, deadline=None)
def test_no_changed_byte_is_consistent(leaves, data):
    """One bit changed in either root or any hash of the proof: it does not hold."""
    old = data.draw(st.integers(1, len(leaves)))
    parts = [root(leaves[:old]), root(leaves), *consistency_proof(leaves, old)]
    which, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    parts[which] = (int.from_bytes(parts[which], "big") ^ (1 << bit)).to_bytes(32, "big")
    assert not extends(old, parts[0], len(leaves), parts[1], parts[2:])


def test_places_and_sizes_that_are_not_there():
    """Proofs are made for leaves that exist and for beginnings that are not empty; checks say no to all else."""
    for leaves, place in ((LEAVES, 8), (LEAVES, -1), ([], 0)):
        with pytest.raises(IndexError, match=f"leaf {place} of a tree of {len(leaves)}"):
            inclusion_proof(leaves, place)
    for old in (0, -1, 9):
        with pytest.raises(IndexError, match=f"{old} leaves of a tree of 8"):
            consistency_proof(LEAVES, old)
    assert not includes(LEAVES[0], 0, 0, [], LEAVES[0])
    assert not extends(0, EMPTY, 8, root(LEAVES), [])
    assert not extends(0, EMPTY, 0, EMPTY, [])
    assert not extends(3, root(LEAVES[:3]), 8, root(LEAVES), [])
    assert not extends(8, root(LEAVES), 8, root(LEAVES), [EMPTY])
