"""Two free synthesisers through their C libraries: what they say comes with the times of its words.

Debian packages: espeak-ng libespeak-ng1 libflite1.
"""

from __future__ import annotations

import ctypes as C  # noqa: N812

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000
# The recipe of the embedded models (models/recipes/synth.py) never trains on these.
ESPEAK_HELD_OUT = ("Michael", "robert", "steph3", "michel")
FLITE_HELD_OUT = ("rms",)

Spoken = tuple[NDArray[np.float32], list[tuple[str, float, float]]]  # samples in -1..1 at RATE; word, start s, end s


class Speaker:
    """Says lower-case words with `engine:voice`, e.g. `espeak:en-us+Michael` or `flite:rms`."""

    def __init__(self) -> None:
        self._espeak, self._flite = Espeak(), Flite()

    def say(self, text: str, voice: str, speed: int = 130, pitch: int = 50) -> Spoken:
        engine, name = voice.split(":")
        samples, words = (
            self._espeak.say(text, name, speed, pitch) if engine == "espeak" else self._flite.say(text, name)
        )
        if [word for word, _, _ in words] != text.split():
            raise ValueError(f"{voice} runs words together in {text!r}: {[word for word, _, _ in words]}")
        return samples, words


class _Event(C.Structure):
    _fields_ = (
        ("type", C.c_int),
        ("id", C.c_uint),
        ("position", C.c_int),
        ("length", C.c_int),
        ("ms", C.c_int),
        ("sample", C.c_int),
        ("user", C.c_void_p),
        ("string", C.c_char * 8),
    )


class Espeak:
    """espeak-ng. Its events mark where each word and each phone begins; an empty phone is a pause."""

    WORD, PHONE = 1, 7

    def __init__(self) -> None:
        self._lib = C.CDLL("libespeak-ng.so.1")
        self._rate = self._lib.espeak_Initialize(2, 0, None, 1 | 2)  # synchronous, phones as events, in IPA
        self._audio: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, int, int, int, str]] = []
        # Kept on self: the library holds only a bare pointer to it.
        self._callback = C.CFUNCTYPE(C.c_int, C.POINTER(C.c_short), C.c_int, C.POINTER(_Event))(self._take)
        self._lib.espeak_SetSynthCallback(self._callback)

    def _take(self, wave: object, count: int, events: object) -> int:
        if wave and count:
            self._audio.append(np.ctypeslib.as_array(wave, (count,)).copy())  # type: ignore[call-overload]
        i = 0
        while events[i].type:  # type: ignore[index]
            e = events[i]  # type: ignore[index]
            phone = bytes(e.string).split(b"\0")[0].decode(errors="replace") if e.type == self.PHONE else ""
            self._events.append((e.type, e.sample, e.position, e.length, phone))
            i += 1
        return 0

    def say(self, text: str, voice: str, speed: int, pitch: int) -> Spoken:
        self._audio.clear()
        self._events.clear()
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        for parameter, value in ((1, speed), (3, pitch)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        data = text.encode() + b"\0"
        self._lib.espeak_Synth(data, len(data), 0, 0, 0, 1, None, None)
        return resampled(np.concatenate(self._audio).astype(np.float32) / 32768, self._rate), self._words(text)

    def _words(self, text: str) -> list[tuple[str, float, float]]:
        """A word lasts from its first phone to the pause, or the next word, that follows its last."""
        words: list[tuple[str, float, float]] = []
        name, start, end = "", None, None
        for kind, sample, position, length, phone in [*self._events, (self.WORD, 0, 1, 0, "")]:
            if kind == self.WORD:
                if name and start is not None:
                    words.append((name, start / self._rate, (sample if end is None else end) / self._rate))
                name, start, end = text[position - 1 : position - 1 + length], None, None
            elif kind == self.PHONE and phone:
                start, end = (sample if start is None else start), None
            elif kind == self.PHONE and end is None:
                end = sample
        return words


class Flite:
    """flite. The segments of an utterance know their ends; a word's are reached through its syllables."""

    class _Wave(C.Structure):
        _fields_ = (
            ("type", C.c_char_p),
            ("rate", C.c_int),
            ("count", C.c_int),
            ("channels", C.c_int),
            ("samples", C.POINTER(C.c_short)),
        )

    FIRST = b"R:SylStructure.daughter1.daughter1.R:Segment.p.end"
    LAST = b"R:SylStructure.daughtern.daughtern.R:Segment.end"

    def __init__(self) -> None:
        self._lib = lib = C.CDLL("libflite.so.1", C.RTLD_GLOBAL)
        for part in ("usenglish", "cmulex"):
            C.CDLL(f"libflite_{part}.so.1", C.RTLD_GLOBAL)
        for function, result, arguments in (
            ("flite_synth_text", C.c_void_p, [C.c_char_p, C.c_void_p]),
            ("utt_wave", C.POINTER(Flite._Wave), [C.c_void_p]),
            ("utt_relation", C.c_void_p, [C.c_void_p, C.c_char_p]),
            ("relation_head", C.c_void_p, [C.c_void_p]),
            ("item_next", C.c_void_p, [C.c_void_p]),
            ("item_feat_string", C.c_char_p, [C.c_void_p, C.c_char_p]),
            ("ffeature_float", C.c_float, [C.c_void_p, C.c_char_p]),
            ("delete_utterance", None, [C.c_void_p]),
        ):
            getattr(lib, function).restype = result
            getattr(lib, function).argtypes = arguments
        lib.flite_init()
        self._voices: dict[str, int] = {}

    def say(self, text: str, name: str) -> Spoken:
        lib = self._lib
        if name not in self._voices:
            register = getattr(C.CDLL(f"libflite_cmu_us_{name}.so.1", C.RTLD_GLOBAL), f"register_cmu_us_{name}")
            register.restype, register.argtypes = C.c_void_p, [C.c_char_p]
            self._voices[name] = register(None)
        utterance = lib.flite_synth_text(text.encode(), self._voices[name])
        wave = lib.utt_wave(utterance).contents
        samples = np.ctypeslib.as_array(wave.samples, (wave.count,)).astype(np.float32) / 32768
        words, item = [], lib.relation_head(lib.utt_relation(utterance, b"Word"))
        while item:
            spoken = lib.item_feat_string(item, b"name").decode()
            words.append((spoken, lib.ffeature_float(item, self.FIRST), lib.ffeature_float(item, self.LAST)))
            item = lib.item_next(item)
        result = resampled(samples, wave.rate), words
        lib.delete_utterance(utterance)
        return result


def resampled(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """The same sound at RATE."""
    if rate == RATE:
        return samples
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler("flt", "mono", RATE)
    parts = [f.to_ndarray()[0] for f in (*resampler.resample(frame), *resampler.resample(None))]
    return np.concatenate(parts)[: round(len(samples) * RATE / rate)]
