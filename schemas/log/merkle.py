"""RFC 6962 hashing with SHA-256, and the proofs of RFC 9162: inclusion, consistency, and both for subtrees.

A tree of ``size`` leaves is split at the largest power of two below ``size``. Verifiers follow RFC 9162 sections
2.1.3.2 and 2.1.4.2 and also check that every hash is 32 bytes. Provers read only perfect subtrees, through a
`HashReader`, so that they work on tiles, on a database and on a list alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from schemas.errors import BadProof

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
_HASH_SIZES = frozenset({HASH_SIZE})

HashReader = Callable[[int, int], bytes]
"""``(level, index)`` to the root of the perfect subtree over leaves ``[index << level, (index + 1) << level)``."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf holding ``entry``."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


# -- verifying ---------------------------------------------------------------------------------------------------------


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with hash ``leaf`` is number ``index`` in the tree of ``size`` and ``root``.

    ``path`` runs from the leaf's sibling upwards (RFC 9162 section 2.1.3.2). Raises `BadProof`.
    """
    if not 0 <= index < size:
        raise BadProof(f"leaf {index} cannot be in a tree of {size}")
    _check_hashes(leaf, root, *path)
    fn, sn, computed = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            raise BadProof("the inclusion proof is too long")
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            while not fn & 1:
                fn >>= 1
                sn >>= 1
        else:
            computed = node_hash(computed, sibling)
        fn >>= 1
        sn >>= 1
    if sn or computed != root:
        raise BadProof(f"the proof does not lead from leaf {index} to the root of {size}")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of ``new_size`` begins with the leaves of the tree of ``old_size``.

    An empty old tree is consistent with every tree, by an empty proof (C2SP tlog-witness). Raises `BadProof`.
    """
    if not 0 <= old_size <= new_size:
        raise BadProof(f"a tree of {new_size} cannot continue a tree of {old_size}")
    _check_hashes(old_root, new_root, *path)
    if old_size in (0, new_size):
        if path:
            raise BadProof(f"from {old_size} to {new_size} the proof must be empty")
        if old_size == 0 and old_root != EMPTY_ROOT:
            raise BadProof("the old tree is empty, but its root is not the empty root")
        if new_size == 0 and new_root != EMPTY_ROOT:
            raise BadProof("the new tree is empty, but its root is not the empty root")
        if old_size == new_size and old_root != new_root:
            raise BadProof(f"two trees of {new_size} have different roots")
        return
    _climb(old_root, new_root, path, start=0, end=old_size, size=new_size)


def verify_subtree_inclusion(
    leaf: bytes, index: int, path: Sequence[bytes], root: bytes, *, start: int, end: int
) -> None:
    """Check that leaf ``index`` is in the subtree ``[start, end)`` with ``root``. Raises `BadProof`."""
    _check_subtree(start, end)
    if not start <= index < end:
        raise BadProof(f"leaf {index} cannot be in the subtree from {start} to {end}")
    verify_inclusion(leaf, index - start, end - start, path, root)


def verify_subtree_consistency(
    subtree_root: bytes, root: bytes, path: Sequence[bytes], *, start: int, end: int, size: int
) -> None:
    """Check that ``subtree_root`` is over the leaves ``[start, end)`` of the tree of ``size`` and ``root``.

    A subtree without leaves has the empty root and an empty proof, and says nothing of the tree. Raises `BadProof`.
    """
    _check_hashes(subtree_root, root, *path)
    if 0 <= start == end <= size:
        if path or subtree_root != EMPTY_ROOT:
            raise BadProof("an empty subtree has the empty root and an empty proof")
        return
    _check_subtree(start, end)
    if end > size:
        raise BadProof(f"a subtree up to {end} cannot be in a tree of {size}")
    _climb(subtree_root, root, path, start=start, end=end, size=size)


def _climb(subtree_root: bytes, root: bytes, path: Sequence[bytes], *, start: int, end: int, size: int) -> None:
    """Compute the roots of the subtree ``[start, end)`` and of the tree in one walk; for start 0 this is RFC 9162's."""
    fn, sn, tn = start, end - 1, size - 1
    while fn != sn and (sn == tn or sn & 1):
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    steps = iter(path)
    # Where the subtree is not perfect, the walk begins at its last perfect part, which the proof gives first.
    seed = subtree_root if fn == sn else next(steps, None)
    if seed is None:
        raise BadProof("the consistency proof is too short")
    small = large = seed
    for sibling in steps:
        if tn == 0:
            raise BadProof("the consistency proof is too long")
        if sn & 1 or sn == tn:
            if fn < sn:
                small = node_hash(sibling, small)
            large = node_hash(sibling, large)
            while not sn & 1:
                fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
        else:
            large = node_hash(large, sibling)
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    if tn or small != subtree_root or large != root:
        raise BadProof(f"the proof does not lead from leaves {start} to {end} to the root of {size}")


def _check_subtree(start: int, end: int) -> None:
    """Refuse what is no subtree: ``start`` must be a multiple of the smallest power of two not below the length."""
    if not 0 <= start < end or start % (1 << (end - start - 1).bit_length()):
        raise BadProof(f"there is no subtree from leaf {start} to {end}")


def _check_hashes(*hashes: bytes) -> None:
    if not _HASH_SIZES.issuperset(map(len, hashes)):
        raise BadProof(f"a hash is not {HASH_SIZE} bytes long")


# -- proving -----------------------------------------------------------------------------------------------------------


def root(size: int, read: HashReader) -> bytes:
    """The root of the tree of ``size``, from the perfect subtrees along its right edge."""
    return _range_root(0, size, read)


def prove_inclusion(index: int, size: int, read: HashReader) -> list[bytes]:
    """The inclusion proof of leaf ``index`` in the tree of ``size``, leaf first. Raises `BadProof` out of range."""
    if not 0 <= index < size:
        raise BadProof(f"leaf {index} cannot be in a tree of {size}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_root(middle, high, read))
            high = middle
        else:
            path.append(_range_root(low, middle, read))
            low = middle
    path.reverse()
    return path


def prove_consistency(old_size: int, new_size: int, read: HashReader) -> list[bytes]:
    """The proof that the tree of ``new_size`` continues that of ``old_size``. Raises `BadProof` out of range."""
    if not 0 <= old_size <= new_size:
        raise BadProof(f"a tree of {new_size} cannot continue a tree of {old_size}")
    return prove_subtree_consistency(0, old_size, new_size, read) if old_size else []


def prove_subtree_consistency(start: int, end: int, size: int, read: HashReader) -> list[bytes]:
    """The proof that the subtree ``[start, end)`` belongs to the tree of ``size``. Raises `BadProof` out of range."""
    _check_subtree(start, end)
    if end > size:
        raise BadProof(f"a subtree up to {end} cannot be in a tree of {size}")
    path: list[bytes] = []
    low, high, known = 0, size, True
    while (start, end) != (low, high):
        middle = low + _split(high - low)
        if end <= middle:
            path.append(_range_root(middle, high, read))
            high = middle
        else:
            path.append(_range_root(low, middle, read))
            if start < middle:  # the subtree goes on beyond the middle, so its own root is no longer met on the way
                start, known = middle, False
            low = middle
    if not known:
        path.append(_range_root(low, high, read))
    path.reverse()
    return path


def _split(size: int) -> int:
    """The largest power of two below ``size`` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_root(start: int, end: int, read: HashReader) -> bytes:
    """The root over ``[start, end)``, for ranges that are subtrees."""
    computed: bytes | None = None
    for level, index in reversed(list(_perfect_parts(start, end))):
        part = read(level, index)
        computed = part if computed is None else node_hash(part, computed)
    return EMPTY_ROOT if computed is None else computed


def _perfect_parts(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The perfect subtrees that make up ``[start, end)``, from the largest to the smallest."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


# -- growing -----------------------------------------------------------------------------------------------------------


class Frontier:
    """A growing tree in as little as its right edge: the roots of its perfect subtrees, the largest first.

    ``Frontier(size, hashes)`` resumes from what another one held. Raises `BadProof` if the two do not fit.
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count():
            raise BadProof(f"a tree of {size} has {size.bit_count()} perfect parts, not {len(hashes)}")
        _check_hashes(*hashes)
        self.size = size
        self._hashes = list(hashes)

    @classmethod
    def read(cls, size: int, read: HashReader) -> Frontier:
        """The frontier of the tree of ``size``, from a `HashReader`."""
        return cls(size, [read(level, index) for level, index in _perfect_parts(0, size)])

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the perfect parts, the largest first; as many as ``size`` has one bits."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf by its hash; return the subtrees it completed as ``(level, index, root)``, the leaf first."""
        completed = [(0, self.size, leaf)]
        level, node = 0, leaf
        while self.size >> level & 1:
            node = node_hash(self._hashes.pop(), node)
            level += 1
            completed.append((level, self.size >> level, node))
        self._hashes.append(node)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """The root of the tree."""
        if not self._hashes:
            return EMPTY_ROOT
        computed = self._hashes[-1]
        for left in self._hashes[-2::-1]:
            computed = node_hash(left, computed)
        return computed

    def copy(self) -> Frontier:
        """An independent frontier of the same tree."""
        return Frontier(self.size, self._hashes)
