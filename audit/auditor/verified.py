"""What a verification has looked at, and what it has found."""

from __future__ import annotations

from dataclasses import dataclass, field

from audit.follow import Flaw as JournalFlaw
from audit.proof.flaws import Flaw

MAX_FLAWS = 1000
"""That are named, and as many remarks; the others are counted."""


@dataclass(slots=True)
class TreeVerified:
    """One tree. Counts are of the offsets [first, end) that were looked at."""

    origin: str
    size: int = 0
    """Leaves under the published checkpoint."""
    root: bytes = b""
    first: int = 0
    end: int = 0
    beyond: bool = False
    """Some of the offsets that were asked for are not in it, and were not looked at."""
    entries: int = 0
    """Entries that are what was sealed."""
    holes: int = 0
    checkpoints: int = 0
    """Earlier checkpoints that are signed, and that the tree continues."""
    witnesses: tuple[str, ...] = ()
    archived: int = 0
    """Entries that the archive holds as they were sealed."""
    archive_files: int = 0
    payloads: int = 0
    """Payloads that are what their entries' digests cover."""
    without_payload: int = 0
    """Entries whose payload is not there, and no statement says why."""
    external: int = 0
    """Of them, those whose entries say that they are in the object store, where nobody was to look."""
    unexplained: list[tuple[int, int]] = field(default_factory=list)
    """Of the others, where they are, as first and last offset: up to a bound."""
    erased: int = 0
    """Entries whose payload is not there, and a signed statement says that it was erased."""
    deleted: int = 0
    """Entries whose payload is not there, and a signed statement says that it was deleted, its time being over."""
    still_there: int = 0
    """Payloads that are there although a signed statement says that they were erased."""
    logged: int = 0
    """Records of the log that are what was sealed."""
    journals: int = 0
    signers: list[dict[str, object]] = field(default_factory=list)
    """Of each journal, up to a bound: its id, the key that its own opening names, its first and last offset here. That
    the key is a gateway's, nobody shows: compare."""
    signatures: int = 0
    unchecked_signatures: int = 0
    duplicates: int = 0
    """Benign ones."""
    flaws: list[Flaw] = field(default_factory=list)
    remarks: list[Flaw] = field(default_factory=list)
    """What one may want to know, and what is not wrong."""
    more_flaws: int = 0
    """That are not named."""
    more_remarks: int = 0
    stopped_at: int | None = None
    """Enough was found: the offset from which on entries, archive, log and journals were not looked at."""

    @property
    def full(self) -> bool:
        """Enough was found: nobody reads more."""
        return len(self.flaws) >= MAX_FLAWS

    def flaw(
        self,
        what: str,
        message: str,
        *,
        offset: int | None = None,
        path: str | None = None,
        byte: int | None = None,
    ) -> None:
        """Something is wrong."""
        self.add(Flaw(what, message, self.origin, offset, path, byte))

    def add(self, *flaws: Flaw) -> None:
        """They are named up to the bound, and counted beyond it."""
        room = max(0, MAX_FLAWS - len(self.flaws))
        self.flaws += flaws[:room]
        self.more_flaws += len(flaws[room:])

    def remark(self, what: str, message: str, *, offset: int | None = None, path: str | None = None) -> None:
        """Something is to be known."""
        self._note(Flaw(what, message, self.origin, offset, path))

    def _note(self, *remarks: Flaw) -> None:
        room = max(0, MAX_FLAWS - len(self.remarks))
        self.remarks += remarks[:room]
        self.more_remarks += len(remarks[room:])

    def journal(self, found: JournalFlaw) -> None:
        """A journal is not what it should be."""
        message = found.message
        if found.journal is not None:
            message += f" (journal {found.journal}, sequence {found.sequence})"
        self.flaw(found.what, message, offset=found.offset)

    def take(self, part: TreeVerified) -> None:
        """What was found of the archive by somebody else."""
        self.archived += part.archived
        self.archive_files += part.archive_files
        self.add(*part.flaws)
        self._note(*part.remarks)
        self.more_flaws += part.more_flaws
        self.more_remarks += part.more_remarks
