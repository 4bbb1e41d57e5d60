"""The contract between acoustic models and the aligner: what a CTC model heard, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Emissions:
    """Log-probabilities of one clip.

    ``log_probs``: float32, frames × tokens, each row log-softmaxed. Frame ``i`` is centred on sample
    ``first_frame_centre + i * samples_per_frame`` of the 16-kHz clip. ``tokens[i]`` is the text of token ``i``.
    """

    log_probs: NDArray[np.float32]
    tokens: tuple[str, ...]
    blank_id: int
    word_delimiter_id: int | None
    samples_per_frame: int
    first_frame_centre: int
    case: Literal["lower", "upper", "mixed"]
    #: How much later than its letters a word starts and ends with this model (ms), as measured; negative: earlier.
    boundary_offset_ms: tuple[int, int] = (0, 0)

    @property
    def frames(self) -> int:
        return int(self.log_probs.shape[0])

    def cover(self, samples: int) -> bool:
        """Whether the frames lie over a clip of so many samples, as far as padding and windows let them: all else is
        the geometry of another model."""
        step = self.samples_per_frame
        slack = 4 * step + samples // 10
        return (
            step > 0
            and abs(self.frames * step - samples) <= slack
            and -slack <= self.first_frame_centre - step // 2 <= slack
        )


class AcousticModel(Protocol):
    """A CTC model: hears clips, tells emissions. Knows nothing of text to align or of the recording's time."""

    def emissions(self, clips: Sequence[NDArray[np.float32]]) -> list[Emissions | None]:
        """Emissions of each 16-kHz mono clip, order kept; ``None`` for a clip too short for one frame."""
        ...
