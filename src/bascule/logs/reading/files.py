"""Following log files through rotation, by polling `stat`: renamed, copied and truncated, compressed, deleted.

Nothing is taken twice and nothing is left out as long as a rotated file stays on disk until it is read:

1. A file found under its path is followed by its open handle, so a rename does not stop the reading.
2. A file that got shorter, or whose first bytes changed, was truncated: the handle starts a new stream, and the
   old one goes on in the copy that rotation made, found by its first bytes.
3. Rotated siblings (app.log.1, app.log.2.gz) are looked at too: a known stream is read from where it stopped; an
   unknown one is read if it was written to since the last check, so a rotation during a stop loses nothing. What is
   known is told by its content, compressed or not: a copy may also be shorter than what was read of its original.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import io
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from bascule.logs.parsing.columns import Chunk
from bascule.logs.reading.compression import CORRUPT, unpacked
from bascule.logs.reading.streams import (
    PREFIX_LENGTH,
    TAIL_LENGTH,
    LogStream,
    hash_of,
    is_compressed,
    is_rotation_of,
    mark_of,
    marked,
    originals_of,
)

CHUNK_BYTES = 2 << 20
HOLE_BYTES = 4096  # so many NULs in a row are a hole; fewer are part of their line
SEARCHED_BYTES = 64 << 20  # of what has no line this much is read in one poll; the search goes on in the next
KEPT_OF_LONG_LINES = 16 << 10  # of a line longer than a chunk this much is kept, as text
SETTLING_SECONDS = 2.0  # a copy that rotation makes is left alone until it has not grown for this long
CLOCK_SECONDS = 1.0  # file times may lag behind the clock by less than this
TRACE_SECONDS = 1.0  # a stack trace that is being written is waited for this long
GRACE_SECONDS = 10.0  # a rotated file is followed this long after its last line: writers reopen late

_HOLE = bytes(HOLE_BYTES)
_HOLES = re.compile(rb"\0{%d,}" % HOLE_BYTES)
_HOLES_BETWEEN_LINES = re.compile(rb"(?:\A|(?<=\n))\0{%d,}" % HOLE_BYTES)
log = logging.getLogger(__name__)
Problem = Callable[[str], None]  # told a reason when something cannot be read


@dataclass
class Follow:
    """An open file. `position` is how far it is read, `scanned` how far a long line has been searched for its end,
    `nuls_until` how far what follows is known to be NULs: a hole, which a crash leaves, or `truncate`.

    `head` are the first bytes, up to `PREFIX_LENGTH`, of what is read, and `tail` the last ones before `position`: as
    long as the file has them there it is the same stream. `marks` are those of the stream up to `position`.
    """

    stream: LogStream
    path: Path
    file: BinaryIO
    position: int = 0
    scanned: int = 0
    head: bytes = b""
    tail: bytes = b""
    marks: dict[int, str] = field(default_factory=dict)
    live: bool = True
    ended: bool = False  # read to its end, and nobody writes it any more
    drained_at: float = field(default_factory=time.monotonic)
    drained_size: int = 0
    waits_until: float | None = None  # for the rest of a stack trace
    told: bool = False  # that it was deleted
    nuls_until: int = 0
    skipped: int = 0  # bytes of the hole before what was read last

    @property
    def compressed(self) -> bool:
        return not isinstance(self.file, io.FileIO)

    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def read(self, at: int, size: int) -> bytes:
        if self.compressed:
            self.file.seek(at)
            return self.file.read(size)
        return os.pread(self.file.fileno(), size, at)

    def unread(self) -> int:
        """Bytes not yet in the store, without a hole at the end; unknown (0) for a compressed file."""
        if self.compressed:
            return 0
        hole = max(0, self.nuls_until - self.position)
        return max(0, self.size() - self.stream.committed - hole)

    def is_deleted(self) -> bool:
        return os.fstat(self.file.fileno()).st_nlink == 0

    def was_replaced(self) -> bool:
        """Whether the file no longer holds what was read from it."""
        if self.compressed:
            return False
        if self.size() < self.position or self.read(0, len(self.head)) != self.head:
            return True
        return self.read(self.position - len(self.tail), len(self.tail)) != self.tail

    def skip_to_end(self, size: int) -> None:
        """Leave out the whole lines that the file holds."""
        least = size - SEARCHED_BYTES
        while size > max(0, least) and (data := self.read(max(0, size - CHUNK_BYTES), min(size, CHUNK_BYTES))):
            whole = data.rfind(b"\n") + 1
            size -= len(data) - whole
            if whole:
                break
        self.position = self.scanned = self.stream.committed = size
        self.head = self.read(0, min(PREFIX_LENGTH, size))

    def go_back(self) -> None:
        """Read again from what the store holds."""
        self.position = self.scanned = self.stream.committed
        self.tail, self.ended = b"", False

    def chunk(self, final: bool) -> Chunk | None:
        """The next whole lines. `final`: a last line without a newline counts too.

        Whether the file was truncated is looked at after the reading: it can be at any moment.
        """
        data = self.read(self.position, CHUNK_BYTES)
        if not data or self.was_replaced():
            return None
        hole = self._hole_in(data)
        if hole == 0:
            return self._behind_hole(final)
        if self.position == len(self.head) == 0:
            self.head = data[: min(PREFIX_LENGTH, hole)]
        elif len(self.head) < min(PREFIX_LENGTH, self.position):
            self._lengthen_head()
        whole = data.rfind(b"\n", 0, hole) + 1
        if whole:
            whole = self._before_open_trace(data, whole, final)
            return self._take(data[:whole], self.position + whole) if whole else None
        if hole < len(data):
            return self._torn(data[:hole], final)
        if len(data) == CHUNK_BYTES:
            return self._long_line(data[:KEPT_OF_LONG_LINES], final)
        return self._take(data + b"\n", self.position + len(data)) if final else None

    def _hole_in(self, data: bytes) -> int:
        """Where a hole begins in the bytes at `position`; their length where there is none. Before the first line
        any NULs are one: what a writer without O_APPEND writes after a truncation comes behind as many as the file had
        bytes."""
        if b"\0" not in data:
            return len(data)
        if data[0] == 0 and not self.tail:
            return 0
        found = data.find(_HOLE)
        return len(data) if found < 0 else found

    def _torn(self, text: bytes, final: bool) -> Chunk | None:
        """A line that a hole cuts off, once something follows the hole: a writer may fill it in."""
        place = self.position + len(text)
        is_over = self._end_of_hole(place) is not None or final
        return self._take(text + b"\n", place) if is_over else None

    def _behind_hole(self, final: bool) -> Chunk | None:
        """The next lines behind a hole; until there is one, the hole may be filled in, or the file be truncated again
        and have a longer one, at any moment."""
        begin, tail, head = self.position, self.tail, self.head
        end = self._end_of_hole(begin)
        if end is None:
            return None
        self.position = self.scanned = end
        self.tail, self.head = bytes(min(TAIL_LENGTH, end - begin)), head or self.read(0, PREFIX_LENGTH)
        chunk = self.chunk(final)
        if chunk is None:
            self.position = self.scanned = begin
            self.tail, self.head = tail, head
        else:
            self.skipped = end - begin
        return chunk

    def _end_of_hole(self, start: int) -> int | None:
        """Where the NULs at `start` end; None where nothing else follows, or this poll has searched enough."""
        here = begun = self._known_until(start)
        while data := self.read(here := self._with_data(here), CHUNK_BYTES):
            found = len(data) - len(data.lstrip(b"\0"))
            if found < len(data):
                return here + found
            here += found
            if here - begun >= SEARCHED_BYTES and not self.compressed:
                break
        self.nuls_until = here
        return None

    def _known_until(self, start: int) -> int:
        """How far the NULs at `start` were searched before; from the start where other bytes are there now."""
        until = self.nuls_until
        if until < start + TAIL_LENGTH or self.compressed:
            return start
        return start if self.read(until - TAIL_LENGTH, TAIL_LENGTH).strip(b"\0") else until

    def _with_data(self, here: int) -> int:
        """The next place that is on the disk at all: a sparse file has none in its holes."""
        if self.compressed:
            return here
        try:
            return os.lseek(self.file.fileno(), here, os.SEEK_DATA)
        except OSError as error:
            return self.size() if error.errno == errno.ENXIO else here  # nothing follows; or the system does not say

    def _before_open_trace(self, data: bytes, whole: int, final: bool) -> int:
        """Where to cut so that a stack trace at the end, which may go on, stays whole; for a second at most."""
        start = data.rfind(b"\n", 0, whole - 1) + 1
        if final or data[start : start + 1] not in (b" ", b"\t"):
            return whole
        if self.waits_until is None:
            self.waits_until = time.monotonic() + TRACE_SECONDS
        if time.monotonic() >= self.waits_until or whole > CHUNK_BYTES // 2:
            self.waits_until = None
            return whole
        while start and data[start : start + 1] in (b" ", b"\t"):
            start = data.rfind(b"\n", 0, start - 1) + 1
        return start  # the trace's first line, such as "Traceback ..."

    def _lengthen_head(self) -> None:
        head = self.read(0, min(PREFIX_LENGTH, self.position))
        if head.startswith(self.head):
            self.head = head

    def _take(self, data: bytes, end: int) -> Chunk:
        chunk = Chunk(self.stream.source, self.stream.id, self.position, end, data)
        self.marks = marked(self.marks, self.tail, tail_of(chunk, len(data)), end)
        self.position = self.scanned = end
        tail = tail_of(chunk)
        self.tail = (self.tail + tail)[-TAIL_LENGTH:] if tail else b""
        return chunk

    def dated(self, chunk: Chunk) -> Chunk:
        """With the time at which the file was last written to, where the chunk ends at its end."""
        status = os.fstat(self.file.fileno())
        is_last = chunk.end == status.st_size and not self.compressed
        return replace(chunk, written=status.st_mtime) if is_last else chunk

    def _long_line(self, head: bytes, final: bool) -> Chunk | None:
        """Look for the end of a line longer than a chunk, a chunk at a time; the search goes on at the next poll."""
        here = begun = max(self.scanned, self.position + CHUNK_BYTES)
        while data := self.read(here, CHUNK_BYTES):
            hole = data.find(_HOLE) if b"\0" in data else -1
            end = data.find(b"\n", 0, hole if hole >= 0 else len(data))
            if end >= 0 or hole >= 0:
                return self._take(head + b"\n", here + (end + 1 if end >= 0 else hole))
            here += len(data)
            if here - begun >= SEARCHED_BYTES and not self.compressed:
                self.scanned = here
                return None
        self.scanned = here
        return self._take(head + b"\n", here) if final else None


class OwnFile(NamedTuple):
    """A file that holds a stream since the beginning: whether it is live, and its present name (None: deleted)."""

    live: bool
    path: Path | None


class Copy(NamedTuple):
    """A file that holds what another one, which is followed, holds too: the stream, and the copy's size and time."""

    stream: str
    state: tuple[int, float]


SKIPPED = "nuls"  # the one problem after which nothing is missing


@dataclass
class FileSource:
    """All files of one glob. `known`: every stream the store knows, by id; `since`: when they were last looked at."""

    name: str
    pattern: str
    known: dict[str, LogStream] = field(default_factory=dict)
    since: float = field(default_factory=time.time)
    problem: Problem = lambda reason: None
    start_at_end: bool = False  # the files that the first look finds, where the store knows none, begin at their end
    to_the_end: bool = False  # take last lines without a newline, too: nobody writes these files any more
    alone: bool = False  # look at the named files only, not at what rotation made of them
    settling_seconds: float = SETTLING_SECONDS
    follows: dict[str, Follow] = field(default_factory=dict)
    _begun: bool = False  # the first look is over, or another has been before this start
    _siblings_at: float = float("-inf")
    _heads: dict[str, bytes] = field(default_factory=dict)  # of files let go of
    _awaited: set[tuple[int, int]] = field(default_factory=set)  # new, but not yet settled
    _settled: dict[tuple[int, int], tuple[int, float]] = field(default_factory=dict)
    _copies: dict[tuple[int, int], Copy] = field(default_factory=dict)  # of what is being followed
    _found: dict[tuple[int, int], Path] = field(default_factory=dict)  # the files of the last check, by inode
    _originals: set[str] = field(default_factory=set)  # the names of files before rotation

    def __post_init__(self) -> None:
        self._note_originals(())
        for stream in self.known.values():  # a store of before knows some by a rotated name
            stream.path = self._original(stream.path)
        self._begun = bool(self.known)

    def chunks(self, limit: int) -> Iterator[Chunk]:
        """What was written since the last call, at most `limit` chunks of each file."""
        self._look()
        for follow in list(self.follows.values()):
            try:
                yield from self._of(follow, limit)
            except (OSError, *CORRUPT) as error:
                self.problem("corrupt" if isinstance(error, CORRUPT) else "unreadable")
                self._drop(follow)

    def _of(self, follow: Follow, limit: int) -> Iterator[Chunk]:
        if follow.ended and follow.stream.committed >= follow.position:
            self._drop(follow)  # not before the store holds it all
            return
        if follow.was_replaced():
            self._truncated(follow)
            return
        size = follow.size()
        for _ in range(limit):
            chunk = follow.chunk(final=self.to_the_end or follow.compressed or self._is_over(follow))
            if chunk is None:
                break
            if follow.skipped:
                self._tell_hole(follow)
            yield chunk if self.to_the_end else follow.dated(chunk)
            follow.drained_at = time.monotonic()
        else:
            return
        if size != follow.drained_size:
            follow.drained_size, follow.drained_at = size, time.monotonic()
        follow.ended = follow.compressed or self._is_over(follow)

    def _tell_hole(self, follow: Follow) -> None:
        what = f"{follow.skipped} unreadable bytes (NUL)"
        log.warning("%s: %s has %s, which were skipped", self.name, follow.path, what)
        self.problem(SKIPPED)
        follow.skipped = 0

    def _is_over(self, follow: Follow) -> bool:
        return not follow.live and time.monotonic() - follow.drained_at > GRACE_SECONDS

    def rewind(self, stream: str) -> None:
        """Read the stream again from what the store holds: what was read after it could not be stored."""
        if follow := self.follows.get(stream):
            follow.go_back()
        else:
            known = self.known[stream]
            self._settled.pop((known.device, known.inode), None)

    def catch_up(self) -> None:
        """Go on where the store's knowledge ends: somebody else has read files of this source meanwhile."""
        for follow in self.follows.values():
            follow.go_back()

    def committed(self, stream: LogStream) -> None:
        """The store holds the stream as far as this says."""
        known = self.known[stream.id]
        known.committed, known.prefix_length, known.prefix = stream.committed, stream.prefix_length, stream.prefix
        known.tail_length, known.tail, known.marks = stream.tail_length, stream.tail, stream.marks

    def describe(self, last: Chunk) -> LogStream:
        """The chunk's stream as it is to be written down with what is read up to the chunk's end."""
        found, tail = self.known[last.stream], tail_of(last)
        found = replace(found, committed=last.end, tail_length=len(tail), tail=hash_of(tail))
        follow = self.follows.get(last.stream)
        if follow:
            found = replace(found, marks=[mark for mark in follow.marks.items() if mark[0] <= last.end])
        head = (follow.head if follow else self._heads.get(last.stream, b""))[: last.end]
        if len(head) <= found.prefix_length:
            return found
        return replace(found, prefix_length=len(head), prefix=hash_of(head))

    def lag(self) -> tuple[int, float]:
        """Bytes written but not in the store, and for how long the oldest of them has waited (seconds)."""
        unread, waited = 0, 0.0
        for follow in list(self.follows.values()):
            try:
                behind = follow.unread()
            except (OSError, ValueError):  # closed meanwhile by the reading thread
                continue
            unread += behind
            if behind and (follow.size() > follow.drained_size or follow.position > follow.stream.committed):
                waited = max(waited, time.monotonic() - follow.drained_at)
        return unread, waited

    def close(self) -> None:
        for follow in list(self.follows.values()):
            self._drop(follow)

    # ------------------------------------------------------------ finding files

    def _look(self) -> None:
        live = _statuses(Path(path) for path in glob.glob(self.pattern, recursive=True))
        self._note_originals(live)
        for follow in self.follows.values():
            follow.live = follow.path in live and _is_its_own(follow.stream, live[follow.path])
            self._tell_deleted(follow)
        followed = {(follow.stream.device, follow.stream.inode) for follow in self.follows.values()}
        rotated = any(not follow.live for follow in self.follows.values())
        fresh = any((status.st_dev, status.st_ino) not in followed for status in live.values())
        started, found = time.time(), dict(live)
        due = rotated or fresh or time.monotonic() - self._siblings_at >= self.settling_seconds
        if due and not self.alone:
            found |= _statuses(self._siblings(self._originals))
            self._siblings_at = time.monotonic()
        self._found = {(status.st_dev, status.st_ino): path for path, status in found.items()}
        for path, status in sorted(found.items()):
            self._consider(path, status, path in live, followed)
        self._begun = True
        if due and not self.alone:
            self.since = max(self.since, started - CLOCK_SECONDS)

    def _note_originals(self, live: Iterable[Path]) -> None:
        names = {*map(str, live), *(stream.path for stream in self.known.values())}
        if not any(character in self.pattern for character in "*?["):
            names.add(self.pattern)
        self._originals = names

    def _original(self, path: str) -> str:
        """The name that the file had before rotation, as far as that is known."""
        return min(self._originals & originals_of(path), key=len, default=path)

    def _siblings(self, originals: set[str]) -> set[Path]:
        found: set[Path] = set()
        for folder in {os.path.dirname(original) or "." for original in originals}:
            try:
                names = [os.path.join(folder, name) if folder != "." else name for name in os.listdir(folder)]
            except OSError:
                continue
            found |= {Path(name) for name in names if not originals.isdisjoint(originals_of(name))}
        return found

    def _consider(self, path: Path, status: os.stat_result, live: bool, followed: set[tuple[int, int]]) -> None:
        key = (status.st_dev, status.st_ino)
        if key in followed or not stat.S_ISREG(status.st_mode) or self._is_done(key, _state(status)):
            return
        if status.st_mtime > self.since:
            self._awaited.add(key)
        rotated = not live or self._original(str(path)) != str(path)
        if rotated and not self.alone and self._settles(status):
            return
        try:
            follow = self._open(path, status, wanted=live or key in self._awaited)
        except FileNotFoundError:  # rotated away since it was listed
            return
        except (OSError, *CORRUPT):
            self.problem("unreadable")
            return
        if follow:
            follow.live = live
            self.follows[follow.stream.id] = follow
            followed.add(key)
            self._awaited.discard(key)

    def _is_done(self, key: tuple[int, int], state: tuple[int, float]) -> bool:
        """Whether the file, as it is, was read, or is read under another name."""
        copy = self._copies.get(key)
        return self._settled.get(key) == state or (copy is not None and copy.state == state and self._reads(copy))

    def _reads(self, copy: Copy) -> bool:
        follow = self.follows.get(copy.stream)
        return follow is not None and not follow.was_replaced()

    def _settles(self, status: os.stat_result) -> bool:
        """Whether a rotated file may still be the copy of another one in the making; its first bytes take longest."""
        patience = self.settling_seconds * (1 if status.st_size >= PREFIX_LENGTH else 5)
        return time.time() - status.st_mtime < patience

    def _open(self, path: Path, status: os.stat_result, wanted: bool) -> Follow | None:
        """Follow the file if it is a known stream that no open file is, or if it is new and wanted."""
        file = _opened(path, (status.st_dev, status.st_ino))
        follow = Follow(LogStream.new(self.name, self._original(str(path)), status), path, file)
        try:
            known = self._recognise(follow, status)
            is_part = known is None and not self.alone and self._is_part(follow, status)
            is_copy = known is not None and not _is_its_own(known, status) and self._own_file(known) is not None
        except (OSError, *CORRUPT):
            file.close()
            raise
        if is_part or is_copy or not (known or wanted):
            file.close()
            key = (status.st_dev, status.st_ino)
            if known:
                self._copies[key] = Copy(known.id, _state(status))
            else:
                self._settled[key] = _state(status)
            return None
        if known:
            known.device, known.inode = status.st_dev, status.st_ino
            follow.stream, follow.position, follow.marks = known, known.committed, dict(known.marks)
        elif self.start_at_end and not self._begun:
            follow.skip_to_end(status.st_size)
        self.known[follow.stream.id] = follow.stream
        return follow

    def _recognise(self, follow: Follow, status: os.stat_result) -> LogStream | None:
        """The known stream this file holds: the one of its inode, else one that it is a copy of; the longest match."""
        head = follow.read(0, PREFIX_LENGTH)
        hashes = {n: hash_of(head[:n]) for n in {stream.prefix_length for stream in self.known.values()}}
        alike = [s for s in self.known.values() if s.committed and hashes[s.prefix_length] == s.prefix]
        alike.sort(key=lambda stream: stream.committed)  # a compressed file is best read in one direction
        likely = [stream for stream in alike if self._may_be(stream, follow.path, status)]
        same = [s for s in likely if _holds_end(follow, s)]
        same = [s for s in same if self._is_no_other(follow, s, status)]
        found = max(same, key=lambda stream: (stream.prefix_length, stream.committed), default=None)
        follow.head = head[: found.prefix_length] if found else b""
        return found

    def _may_be(self, stream: LogStream, path: Path, status: os.stat_result) -> bool:
        """By inode and name. A new file under the stream's own name is not it while the old one is there, however much
        it begins like it. Of a file that was renamed a copy is made under its new name alone, by compressing.
        """
        if _is_its_own(stream, status):
            return True
        own = self._own_file(stream)
        if str(path) == stream.path:
            return own is None
        if own and own.path and not own.live:
            return is_compressed(path, own.path)
        return is_rotation_of(str(path), stream.path)

    def _is_no_other(self, follow: Follow, stream: LogStream, status: os.stat_result) -> bool:
        """Whether the file is the stream's own, or a copy of it: a copy holds nothing that the own file has not.

        Files may begin alike for longer than the stream is read: as long as its own file is there, that tells.
        """
        if _is_its_own(stream, status):
            return True
        if own := self.follows.get(stream.id):
            return own.was_replaced() or _ends_within(follow, own)  # a truncated one goes on in its copy
        path = self._found.get((stream.device, stream.inode))
        if path is None or not _file_holds(path, stream):
            return True
        with _opened(path, (stream.device, stream.inode)) as file:
            return _ends_within(follow, Follow(stream, path, file))

    def _own_file(self, stream: LogStream) -> OwnFile | None:
        """The file of the stream's inode, if it still holds the stream."""
        path = self._found.get((stream.device, stream.inode))
        if follow := self.follows.get(stream.id):
            return OwnFile(follow.live, None if follow.is_deleted() else path)
        return OwnFile(str(path) == stream.path, path) if path and _file_holds(path, stream) else None

    def _is_part(self, follow: Follow, status: os.stat_result) -> bool:
        """Whether all of the file was read under another name: a copy made before more was written and read, such as
        the lines that copytruncate loses, or one that is still being made. It is looked at again when it grows.
        """
        end = _length(follow)
        longer = (stream for stream in self.known.values() if stream.committed > end)
        return any(
            is_rotation_of(str(follow.path), stream.path)
            and not _is_its_own(stream, status)
            and _has_marks(follow, stream, end)
            and self._may_be(stream, follow.path, status)
            for stream in longer
        )

    def _tell_deleted(self, follow: Follow) -> None:
        """Once, where no copy was left: what is written to it goes on being read as long as its writer has it open."""
        if follow.live or follow.told or self.alone or not follow.is_deleted():
            return
        follow.told = True
        if not self._has_copy(follow):
            log.error("%s: %s was deleted; it is still read to its end", self.name, follow.path)
            self.problem("deleted")

    def _has_copy(self, follow: Follow) -> bool:
        """Whether rotation left the file's content under another name."""
        return any(_begins_with(path, follow.head) for path in self._siblings({follow.stream.path}))

    def _truncated(self, follow: Follow) -> None:
        """Let go of the old stream, which goes on in its copy if there is one; the file is found again."""
        if not self.alone and not self._has_copy(follow):
            lost = f"what was behind byte {follow.position} and was not read is lost"
            log.error("%s: %s was truncated without a copy; %s", self.name, follow.path, lost)
            self.problem("truncated")
        self.follows.pop(follow.stream.id)
        follow.file.close()
        self._look()

    def _drop(self, follow: Follow) -> None:
        self.follows.pop(follow.stream.id, None)
        self._heads[follow.stream.id] = follow.head
        try:
            status = os.fstat(follow.file.fileno())
            self._settled[(status.st_dev, status.st_ino)] = _state(status)
        finally:
            follow.file.close()


def _begins_with(path: Path, head: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return unpacked(file, path).read(len(head)) == head
    except (OSError, *CORRUPT):
        return False


def _is_its_own(stream: LogStream, status: os.stat_result) -> bool:
    return (stream.device, stream.inode) == (status.st_dev, status.st_ino)


def _statuses(paths: Iterable[Path]) -> dict[Path, os.stat_result]:
    found: dict[Path, os.stat_result] = {}
    for path in paths:
        with contextlib.suppress(OSError):  # rotated away since it was listed
            found[path] = path.stat()
    return found


def _state(status: os.stat_result) -> tuple[int, float]:
    return status.st_size, status.st_mtime


def _opened(path: Path, inode: tuple[int, int]) -> BinaryIO:
    """The file of that device and inode; FileNotFoundError where another has the path by now."""
    raw = open(path, "rb", buffering=0)  # noqa: SIM115 - stays open while followed
    status = os.fstat(raw.fileno())
    if (status.st_dev, status.st_ino) != inode:
        raw.close()
        raise FileNotFoundError(f"{path} was renamed since it was listed")
    return unpacked(raw, path)


def _file_holds(path: Path, stream: LogStream) -> bool:
    """Whether the stream's own file, which was found under that path, holds it still; FileNotFoundError: it moved."""
    try:
        with _opened(path, (stream.device, stream.inode)) as file:
            return _holds(Follow(stream, path, file), stream)
    except FileNotFoundError:
        raise
    except (OSError, *CORRUPT):
        return False


def _holds(follow: Follow, stream: LogStream) -> bool:
    """Whether the file has the stream's first bytes, and its last ones where the store's knowledge ends."""
    return hash_of(follow.read(0, stream.prefix_length)) == stream.prefix and _holds_end(follow, stream)


def _holds_end(follow: Follow, stream: LogStream) -> bool:
    if not follow.compressed and follow.size() < stream.committed:
        return False
    tail = follow.read(stream.committed - stream.tail_length, stream.tail_length)
    return hash_of(tail) == stream.tail or not stream.tail_length


def _has_marks(follow: Follow, stream: LogStream, end: int) -> bool:
    """Whether the file, which is `end` bytes long, has every mark of the stream that it is long enough for."""
    marks = [(place, mark) for place, mark in sorted(stream.marks) if place <= end]
    return bool(marks) and all(mark_of(follow.read(place - TAIL_LENGTH, TAIL_LENGTH)) == mark for place, mark in marks)


def _length(follow: Follow) -> int:
    return follow.file.seek(0, os.SEEK_END)


def _ends_within(follow: Follow, own: Follow) -> bool:
    """Whether the file's last bytes are at the same place in the other one."""
    end = _length(follow)
    start = max(0, end - TAIL_LENGTH)
    return follow.read(start, end - start) == own.read(start, end - start)


def tail_of(chunk: Chunk, length: int = TAIL_LENGTH) -> bytes:
    """The last bytes before the chunk's end, as they are in the file; none where the chunk does not hold them."""
    is_as_it_was = chunk.end - chunk.start == len(chunk.data)
    return chunk.data[-length:] if is_as_it_was else b""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def lines_of(stream: Readable, source: str, identity: str, problem: Problem = lambda reason: None) -> Iterator[Chunk]:
    """The lines of something that can be read only once, such as standard input, without holes."""
    start, rest = 0, b""
    while data := _some(stream):
        rest += data
        if _HOLE in rest:
            rest = _HOLES.sub(b"\n", _HOLES_BETWEEN_LINES.sub(b"", rest))
            problem(SKIPPED)
        whole = rest.rfind(b"\n") + 1
        if whole:
            yield Chunk(source, identity, start, start + whole, rest[:whole])
            start, rest = start + whole, rest[whole:]
        elif len(rest) > CHUNK_BYTES:
            rest = rest[:KEPT_OF_LONG_LINES]
    if rest:
        yield Chunk(source, identity, start, start + len(rest), rest + b"\n")


def _some(stream: Readable) -> bytes:
    """What is there, without waiting for a whole chunk."""
    return stream.read1(CHUNK_BYTES) if isinstance(stream, io.BufferedReader | io.BytesIO) else stream.read(CHUNK_BYTES)
