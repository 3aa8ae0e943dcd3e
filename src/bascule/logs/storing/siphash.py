"""SipHash-2-4 of many short texts at once.

SipHash (Aumasson and Bernstein, 2012) is a pseudo-random function with a key of 128 bits and a result of 64,
made for short inputs: without the key its results tell nothing of the inputs. Here every step is taken for all
texts together, in numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Words = NDArray[np.uint64]
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def siphash(texts: pa.Array, key: bytes) -> Words:
    """The hashes of an Arrow array of strings without nulls, under a key of 16 bytes."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4).astype(np.int64)
    buffer = texts.buffers()[2]
    data = np.frombuffer((buffer.to_pybytes() if buffer else b"") + bytes(8), np.uint8)
    lengths = np.diff(offsets)
    result = np.empty(len(texts), np.uint64)
    for words in np.unique(lengths // 8):
        which = np.flatnonzero(lengths // 8 == words)
        result[which] = _hashes(data, offsets[which], lengths[which], int(words), key)
    return result


def _hashes(data: Any, starts: Any, lengths: Any, words: int, key: bytes) -> Words:
    """Hashes of texts that all have `words` whole words."""
    eight = np.ndarray((len(data) - 7,), "<u8", data, 0, (1,))
    state = _State(key, len(starts))
    for word in range(words):
        state.take(eight[starts + 8 * word])
    rest = (lengths % 8).astype(np.uint64)
    last = eight[starts + 8 * words] & ((np.uint64(1) << (rest * np.uint64(8))) - np.uint64(1))
    state.take(last | (lengths.astype(np.uint64) << np.uint64(56)))
    return state.finish()


class _State:
    """The four words of each text's state, changed in place."""

    def __init__(self, key: bytes, number: int) -> None:
        halves = (int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little"))
        self.v = [np.full(number, start ^ halves[i % 2], np.uint64) for i, start in enumerate(_START)]
        self.spare = np.empty(number, np.uint64)

    def take(self, words: Words) -> None:
        self.v[3] ^= words
        self._rounds(2)
        self.v[0] ^= words

    def finish(self) -> Words:
        self.v[2] ^= np.uint64(0xFF)
        self._rounds(4)
        result: Words = self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
        return result

    def _rounds(self, number: int) -> None:
        v0, v1, v2, v3 = self.v
        for _ in range(number):
            self._mix(v0, v1, 13)
            self._mix(v2, v3, 16)
            self._rotate(v0, 32)
            self._mix(v2, v1, 17)
            self._mix(v0, v3, 21)
            self._rotate(v2, 32)

    def _mix(self, sum_: Words, other: Words, bits: int) -> None:
        sum_ += other
        self._rotate(other, bits)
        other ^= sum_

    def _rotate(self, words: Words, bits: int) -> None:
        np.left_shift(words, np.uint64(bits), out=self.spare)
        np.right_shift(words, np.uint64(64 - bits), out=words)
        np.bitwise_or(words, self.spare, out=words)
