"""How long the computing of a recording will take, from its length and the speed measured on earlier ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from speechpipe import audio
from speechpipe.errors import SpeechpipeError
from speechpipe.repositories.contract import Item, Receipt, Repository

#: So many of the latest recordings tell the speed of a model; shorter ones than this tell that of its loading.
LATEST = 200
LEAST_AUDIO_MS = 10_000
#: Assumed where nothing was measured: as fast as the sound itself, which a processor reaches with small models.
UNMEASURED = 1.0
#: Where a container does not tell its length: bytes a second of speech well compressed, so that it is rather too long.
LEAST_BYTES_PER_S = 8_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """``speed``: milliseconds of sound done in a millisecond; None where none was measured."""

    speed: float | None = None

    @classmethod
    def of(cls, receipts: Iterable[Receipt], model: str | None = None) -> Forecast:
        """The speed of ``model`` (of all models where None) on the latest recordings that it did."""
        done = [
            receipt
            for receipt in receipts
            if receipt.status == "done"
            and model in (None, receipt.model)
            and (receipt.audio_ms or 0) >= LEAST_AUDIO_MS
            and receipt.wall_ms
        ]
        latest = sorted(done, key=lambda receipt: receipt.finished or "")[-LATEST:]
        wall_ms = sum(receipt.wall_ms or 0 for receipt in latest)
        return cls(sum(receipt.audio_ms or 0 for receipt in latest) / wall_ms if wall_ms else None)

    def expected_ms(self, audio_ms: int) -> int:
        """Of computing, for so much sound."""
        return round(audio_ms / (self.speed or UNMEASURED))

    def expected_of(self, repository: Repository, item: Item) -> int:
        """Of computing, for this recording; 0 for one that cannot be read, since its failure comes at once."""
        length = audio_ms(repository, item)
        return 0 if length is None else self.expected_ms(length)


def audio_ms(repository: Repository, item: Item) -> int | None:
    """The length that the recording's container declares, or an upper bound from its size; None where unreadable."""
    try:
        media = audio.probe(repository.locate(item))
    except SpeechpipeError:
        return None
    if media.declared_ms is not None:
        return media.declared_ms
    return round((media.size or 0) * 1000 / LEAST_BYTES_PER_S)
