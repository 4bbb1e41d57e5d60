"""What engines over CTC models share: the vocabulary as Hugging Face writes it, emissions, text by the best path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechpipe import languages
from speechpipe.emissions import Emissions
from speechpipe.engines.contract import SAMPLE_RATE, Clip, EngineInfo, ModelFiles, Options, Result, Utterance
from speechpipe.engines.loading import checked_options, checked_pcm, clip_ms, read_json, refuse_prompts, require
from speechpipe.errors import BrokenModel
from speechpipe.transcript_data import Word

#: Beside vocab.json, written by bench/alignment.py: how far the model's word boundaries are off, as measured.
CALIBRATION = "speechpipe.json"

#: A pause this long between two words ends an utterance.
PAUSE_MS = 700

_KERNELS, _STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)


class Layout(NamedTuple):
    """What the files beside the weights say of a CTC model."""

    tokens: tuple[str, ...]
    blank_id: int
    word_delimiter_id: int | None
    samples_per_frame: int
    first_frame_centre: int
    case: Literal["lower", "upper", "mixed"]
    normalise: bool
    boundary_offset_ms: tuple[int, int] = (0, 0)
    sample_rate: int = SAMPLE_RATE


class CtcEngine(ABC):
    """An engine and an acoustic model for the aligner. It writes what the letters say, with no list of words."""

    info: EngineInfo
    _layout: Layout
    _batch_size: int

    @abstractmethod
    def _logits(self, clips: Sequence[NDArray[np.float32]], batch_size: int) -> Iterator[NDArray[np.float32]]:
        """Raw logits (frames × tokens) of each clip, in order; no frames where it is too short for one."""

    def emissions(self, clips: Sequence[NDArray[np.float32]]) -> list[Emissions | None]:
        """Raises ``UsageError`` for a clip over 30 s, ``EngineError`` where the model fails."""
        return self._emissions([checked_pcm(clip) for clip in clips], self._batch_size)

    def transcribe(self, clips: Sequence[Clip], options: Options) -> list[Result]:
        checked_options(options, self.info.name, *self.info.options)
        refuse_prompts(clips, self.info.name)
        for clip in clips:
            if clip.language is not None:
                languages.check(clip.language)
        found = self._emissions([checked_pcm(clip) for clip in clips], options.batch_size)
        return [
            Result(() if e is None else tuple(utterances(e, clip_ms(clip.pcm))), clip.language)
            for clip, e in zip(clips, found, strict=True)
        ]

    def detect_language(self, clips: Sequence[Clip]) -> list[tuple[str, float] | None]:
        return [None for _ in map(checked_pcm, clips)]

    def _emissions(self, heard: Sequence[NDArray[np.float32] | None], batch_size: int) -> list[Emissions | None]:
        logits = self._logits([pcm for pcm in heard if pcm is not None], batch_size)
        return [None if pcm is None else self._emission(next(logits), len(pcm)) for pcm in heard]

    def _emission(self, logits: NDArray[np.float32], samples: int) -> Emissions | None:
        layout, width = self._layout, logits.shape[1]
        if width < len(layout.tokens):
            raise BrokenModel(f"vocab.json of {self.info.model} has more tokens than its weights ({width}).")
        if not len(logits):
            return None
        found = Emissions(
            log_probs=log_softmax(logits),
            tokens=layout.tokens + ("",) * (width - len(layout.tokens)),
            blank_id=layout.blank_id,
            word_delimiter_id=layout.word_delimiter_id,
            samples_per_frame=layout.samples_per_frame,
            first_frame_centre=layout.first_frame_centre,
            case=layout.case,
            boundary_offset_ms=layout.boundary_offset_ms,
        )
        if not found.cover(samples):
            raise BrokenModel(
                f"The model {self.info.model} hears {found.frames} frames in {samples} samples; by its configuration"
                f" one has {found.samples_per_frame}."
            )
        return found


def read_layout(model: ModelFiles, folders: Sequence[Path]) -> Layout:
    """Read vocab.json and, where they are there, the configurations of tokenizer, features and convolutions.

    Raises:
        BrokenModel: the vocabulary is missing or no vocabulary.
    """
    path = require(model, folders[:2], "vocab.json")
    ids = read_json(path)
    if not ids or sorted(i for i in ids.values() if isinstance(i, int)) != list(range(len(ids))):
        raise BrokenModel(f"The model's file {path} does not number its tokens from 0 to {len(ids) - 1}.")
    tokenizer = read_json(path.parent / "tokenizer_config.json")
    config = read_json(path.parent / "config.json")
    blank = ids.get(_text(tokenizer.get("pad_token"), "<pad>"), config.get("pad_token_id"))
    if not isinstance(blank, int) or not 0 <= blank < len(ids):
        raise BrokenModel(f"The model's file {path} has no blank token (<pad>).")
    features = read_json(path.parent / "preprocessor_config.json")
    rate = features.get("sampling_rate", SAMPLE_RATE)
    if not isinstance(rate, int) or rate < 1:
        raise BrokenModel(f"In {path.parent / 'preprocessor_config.json'} sampling_rate is {rate!r}.")
    kernels = _numbers(config.get("conv_kernel"), _KERNELS)
    strides = _numbers(config.get("conv_stride"), _STRIDES)
    if len(kernels) != len(strides):
        raise BrokenModel(f"In {path.parent / 'config.json'} conv_kernel and conv_stride differ in length.")
    step, field = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field, step = field + (kernel - 1) * step, step * stride
    return Layout(
        tokens=tuple(sorted(ids, key=lambda token: int(ids[token]))),
        blank_id=blank,
        word_delimiter_id=ids.get(_text(tokenizer.get("word_delimiter_token"), "|")),
        samples_per_frame=step,
        first_frame_centre=(field - 1) // 2,
        case=case_of(ids),
        normalise=bool(features.get("do_normalize", True)),
        sample_rate=rate,
        boundary_offset_ms=offset_of(path.parent / CALIBRATION),
    )


def case_of(tokens: Iterable[str]) -> Literal["lower", "upper", "mixed"]:
    """The case that the single letters among the tokens are written in."""
    letters = "".join(token for token in tokens if len(token) == 1)
    return "lower" if letters == letters.lower() else "upper" if letters == letters.upper() else "mixed"


def offset_of(path: Path) -> tuple[int, int]:
    """By how much the model's word boundaries are off, as measured; none where nobody measured."""
    measured = read_json(path).get("boundary_offset_ms", {})
    start, end = (measured.get(side, 0) if isinstance(measured, dict) else None for side in ("start", "end"))
    if not isinstance(start, int) or not isinstance(end, int):
        raise BrokenModel(f"The model's file {path} does not give boundary_offset_ms as whole milliseconds.")
    return start, end


class Stride(NamedTuple):
    """A layer that lays a window over what comes before it, step by step."""

    window: int
    step: int
    padding: int = 0


def geometry(strides: Sequence[Stride]) -> tuple[int, int]:
    """Samples from one frame to the next, and the sample in the middle of the first."""
    step, centre = 1, 0.0
    for layer in strides:
        centre += ((layer.window - 1) / 2 - layer.padding) * step
        step *= layer.step
    return step, int(centre)


def frames(strides: Sequence[Stride], samples: int) -> int:
    """How many frames a clip of so many samples has."""
    for layer in strides:
        samples = max(0, (samples + 2 * layer.padding - layer.window) // layer.step + 1) if samples else 0
    return samples


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float32)


def utterances(emissions: Emissions, duration_ms: int) -> Iterator[Utterance]:
    said = list[Word]()
    for word in greedy_words(emissions, duration_ms):
        if said and (word.start_ms or 0) - (said[-1].end_ms or 0) >= PAUSE_MS:
            yield _utterance(said)
            said = []
        said.append(word)
    if said:
        yield _utterance(said)


def _utterance(words: Sequence[Word]) -> Utterance:
    text = " ".join(word.text for word in words)
    return Utterance(words[0].start_ms or 0, words[-1].end_ms or 0, text, tuple(words))


def greedy_words(emissions: Emissions, duration_ms: int) -> Iterator[Word]:
    """The best token of each frame, repeats merged, blanks dropped (best path decoding, Graves 2006).

    A word lasts from its first letter's first frame to its last letter's last; its confidence is the geometric mean
    of its letters' posteriors.
    """
    best = emissions.log_probs.argmax(axis=1)
    peaks = emissions.log_probs.max(axis=1)
    ends = {emissions.word_delimiter_id}
    silent = {emissions.blank_id, *(i for i, token in enumerate(emissions.tokens) if _is_special(token))} - ends
    text, frames = "", list[int]()
    for token, run in groupby(range(len(best)), key=lambda frame: int(best[frame])):
        if token in ends:
            if text:
                yield _word(text, frames, peaks, emissions, duration_ms)
            text, frames = "", []
        elif token not in silent:
            text += emissions.tokens[token]
            frames.extend(run)
    if text:
        yield _word(text, frames, peaks, emissions, duration_ms)


def _word(text: str, frames: Sequence[int], peaks: NDArray[np.float32], emissions: Emissions, duration_ms: int) -> Word:
    half = emissions.samples_per_frame / 2
    start, end = (
        emissions.first_frame_centre + frame * emissions.samples_per_frame + side
        for frame, side in ((frames[0], -half), (frames[-1], half))
    )
    start_ms = min(max(round(start / 16), 0), duration_ms)
    confidence = round(float(np.exp(peaks[list(frames)].mean())), 4)
    return Word(text, start_ms, max(start_ms, min(round(end / 16), duration_ms)), confidence, "decoder")


def _is_special(token: str) -> bool:
    return token == "" or (len(token) > 1 and token[0] in "<[" and token[-1] in ">]")


def _text(token: Any, default: str) -> str:
    """A token as the tokenizer's configuration gives it: plain, or an object with its content."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else default


def _numbers(value: Any, default: tuple[int, ...]) -> tuple[int, ...]:
    fits = isinstance(value, list) and value and all(isinstance(n, int) and n > 0 for n in value)
    return tuple(value) if fits else default
