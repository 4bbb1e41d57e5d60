"""What is made of each recording, with its reason; and the policy by which that is chosen."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from speechpipe import installed
from speechpipe.repositories import rights
from speechpipe.repositories.contract import Item, LeftOut, Receipt, Stat
from speechpipe.settings.repositories import Night

#: ``new``, ``changed``, ``lost`` (results are missing), ``retry`` (failed before), ``rerun`` (done before): to be done.
#: ``moved``: done under another name; its results have to be moved. All others are left as they are:
#: a ``cancelled`` one until somebody asks for it.
Kind = Literal[
    "new",
    "changed",
    "lost",
    "retry",
    "rerun",
    "moved",
    "done",
    "waiting",
    "failed",
    "cancelled",
    "forbidden",
    "withdrawn",
    "damaged",
]
TODO = ("new", "changed", "lost", "retry", "rerun")


@dataclass(frozen=True, slots=True)
class Policy:
    """``software``, ``model`` and ``model_revision`` are what would be used now; None: not compared.

    ``quota``: how many finished recordings at most are done again at a time. ``cancelled``: also do what a person has
    cancelled. ``verify``: read and hash every file.
    """

    rerun: Literal["never", "failed", "model-changed", "all"] = "never"
    quota: int = 100
    cancelled: bool = False
    settle: timedelta = timedelta(minutes=5)
    ready_marker: str | None = None
    software: str | None = field(default_factory=lambda: f"speechpipe {installed.version()}")
    model: str | None = None
    model_revision: str | None = None
    verify: bool = False

    @classmethod
    def of(cls, night: Night, model: str | None = None, revision: str | None = None, *, verify: bool = False) -> Policy:
        return cls(
            rerun=night.rerun,
            quota=night.rerun_quota,
            settle=timedelta(minutes=night.settle_minutes),
            ready_marker=night.ready_marker,
            model=model,
            model_revision=revision,
            verify=verify,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What is made of one recording. ``since``: when its file last changed; ``receipt``: the newest, or the
    one under another name. ``again``: to be done although a finished result stands there. ``elsewhere``: of open
    results under another name, which have to be moved whatever is made of the recording."""

    item: Item
    kind: Kind
    reason: str
    receipt: Receipt | None = None
    stat: Stat | None = None
    since: datetime | None = None
    again: bool = False
    elsewhere: Receipt | None = None

    @property
    def name(self) -> str:
        """What to call it where others look on."""
        return rights.public_name(self.item)


@dataclass(frozen=True, slots=True)
class Selection:
    choices: tuple[Choice, ...]
    left_out: tuple[LeftOut, ...] = ()

    def of(self, *kinds: Kind) -> tuple[Choice, ...]:
        return self._of(kinds)

    @property
    def todo(self) -> tuple[Choice, ...]:
        return self._of(TODO)

    def _of(self, kinds: Container[str]) -> tuple[Choice, ...]:
        return tuple(choice for choice in self.choices if choice.kind in kinds)

    @property
    def sentence(self) -> str:
        """``2000 recordings: 12 new, 3 to be tried again, 1985 done.``"""
        counts = {kind: len(self.of(kind)) for kind in WORDS}
        told = [f"{count} {WORDS[kind]}" for kind, count in counts.items() if count]
        told += [f"{len(self.left_out)} left out"] if self.left_out else []
        whole = f"{len(self.choices)} recording{'s' if len(self.choices) != 1 else ''}"
        return f"{whole}: {', '.join(told)}." if told else "There are no recordings."


WORDS: dict[Kind, str] = {
    "new": "new",
    "changed": "changed",
    "lost": "with lost results",
    "retry": "to be tried again",
    "rerun": "to be done again",
    "moved": "renamed or moved",
    "done": "done",
    "waiting": "waiting",
    "failed": "failed before",
    "cancelled": "cancelled by a person",
    "forbidden": "skipped by their rights",
    "withdrawn": "withdrawn",
    "damaged": "damaged",
}
