"""What the stages left in the workspace, read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from speechpipe.chunking.plan import Plan, Window
from speechpipe.engines.contract import Utterance
from speechpipe.pipeline.journals.batches import done
from speechpipe.pipeline.word_times import utterance_from_dict
from speechpipe.transcript_data import Step
from speechpipe.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Results:
    """What stands in the workspace under ``keys``, by stage."""

    workspace: Workspace
    plan: Plan
    keys: Mapping[str, str]

    def heard(self) -> list[tuple[Window, str | None, tuple[Utterance, ...]]]:
        """Each window with its language and what the engine heard in it."""
        entries = self._entries("transcribe")
        return [(w, entries[w.index]["language"], utterances_of(entries[w.index])) for w in self.plan.windows]

    def timed(self) -> list[tuple[Window, tuple[Utterance, ...]]]:
        """Each window with its utterances, words timed, still counted from the window's start."""
        entries = self._entries("align")
        return [(window, utterances_of(entries[window.index])) for window in self.plan.windows]

    def steps(self, *stages: str) -> tuple[Step, ...]:
        """Provenance of these stages, else of all, as it was when they were done; no step for a model not asked."""
        found = (self.workspace.finished(stage, self.keys[stage]) or {} for stage in stages or self.keys)
        return tuple(Step(**step) for one in found for step in one.get("steps", ()))

    def warnings(self) -> tuple[str, ...]:
        """What the recording's reader must know of how it went."""
        found = self.workspace.finished("transcribe", self.keys["transcribe"]) or {}
        return (*self.plan.decoded.warnings, *found.get("warnings", ()))

    def _entries(self, stage: str) -> dict[int, dict[str, Any]]:
        return done(self.workspace.journal(stage, self.keys[stage]))


def plain(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    """As a journal keeps them."""
    return [asdict(utterance) for utterance in utterances]


def utterances_of(entry: Mapping[str, Any]) -> tuple[Utterance, ...]:
    """As ``plain`` wrote them."""
    return tuple(utterance_from_dict(utterance) for utterance in entry["utterances"])
