"""An engine without a model: what it says follows from the length and loudness of a clip. For tests and dry runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from speechpipe import languages
from speechpipe.engines.contract import SAMPLE_RATE, Clip, ModelFiles, Options, Result, Utterance
from speechpipe.engines.loading import checked_options, checked_pcm, clip_ms, info_of, refuse_prompts
from speechpipe.settings.decoding import Decoding

MS_PER_WORD = 500
#: The louder the half second, the later in the list: a scale from -60 dB of full scale in steps of 6 dB.
WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo")
_FLOOR_DB, _STEP_DB = -60.0, 6.0
_PAUSE = 0.001


def load(model: ModelFiles, decoding: Decoding) -> Fake:
    return Fake(model)


class Fake:
    """The engine ``fake``: a word for each half second that is louder than -60 dB; a quiet one ends the utterance."""

    def __init__(self, model: ModelFiles) -> None:
        self.info = info_of("fake", "numpy", model, {})

    def transcribe(self, clips: Sequence[Clip], options: Options) -> list[Result]:
        checked_options(options, self.info.name, *self.info.options)
        refuse_prompts(clips, self.info.name)
        heard = [checked_pcm(clip) for clip in clips]
        asked = [None if clip.language is None else (languages.check(clip.language), clip.language) for clip in clips]
        return [
            Result(() if pcm is None else tuple(_utterances(pcm)), language and language[1])
            for pcm, language in zip(heard, asked, strict=True)
        ]

    def detect_language(self, clips: Sequence[Clip]) -> list[tuple[str, float] | None]:
        return [None for _ in map(checked_pcm, clips)]


def _utterances(pcm: NDArray[np.float32]) -> Iterator[Utterance]:
    step = MS_PER_WORD * SAMPLE_RATE // 1000
    start, said = 0, list[str]()
    for index, at in enumerate(range(0, pcm.size, step)):
        loudness = float(np.sqrt(np.mean(np.square(pcm[at : at + step], dtype=np.float64))))
        if loudness > _PAUSE:
            start = start if said else index * MS_PER_WORD
            said.append(_word(loudness))
        elif said:
            yield Utterance(start, index * MS_PER_WORD, " ".join(said))
            said = []
    if said:
        yield Utterance(start, clip_ms(pcm), " ".join(said))


def _word(loudness: float) -> str:
    step = (20 * np.log10(loudness) - _FLOOR_DB) / _STEP_DB
    return WORDS[int(np.clip(step, 0, len(WORDS) - 1))]
