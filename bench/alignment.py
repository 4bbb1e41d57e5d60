"""How far the word boundaries are from where they are, on the sample archive; and what a CTC model is off by.

    python bench/alignment.py                    transcribe sample_audio/, compare with the reference times
    python bench/alignment.py --calibrate MODEL  measure the model's boundary offset, write its speechpipe.json

Transcribed and reference words are matched by equality, in order, on each channel. The offset is measured with voices
that are not in the sample archive (needs libespeak-ng and libflite).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechpipe import Transcriber, Word, transcribe
from speechpipe.alignment import align
from speechpipe.engines import load_acoustic_model
from speechpipe.engines.contract import ModelFiles
from speechpipe.engines.ctc.engine import CALIBRATION
from speechpipe.files import write_atomically
from speechpipe.settings import Settings
from speechpipe.settings.decoding import Decoding

ROOT = Path(__file__).resolve().parent.parent
SAMPLES, RESULTS = ROOT / "sample_audio", ROOT / "bench" / "results" / "alignment.json"
AIM = {"median_ms": 40, "p90_ms": 120}

VOICES = [
    f"espeak:{accent}+{who}" for accent in ("en-gb", "en-us", "en-029") for who in ("f1", "f2", "m3", "m7", "Andy")
]
VOICES += ["flite:slt", "flite:awb"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="whisper-tiny-archive")
    parser.add_argument("--calibrate", metavar="MODEL", type=Path, help="folder of a wav2vec2 model")
    arguments = parser.parse_args()
    return calibrate(arguments.calibrate) if arguments.calibrate else measure(arguments.model)


def measure(model: str) -> int:
    """Print and keep the figures; 1 where the aim is missed."""
    figures, everything = [], list[NDArray[np.int64]]()
    with tempfile.TemporaryDirectory() as folder:
        transcriber = Transcriber(Settings.load(model=model, workspace=folder))
        for path in sorted(SAMPLES.glob("*.reference.json")):
            reference = json.loads(path.read_text(encoding="utf-8"))
            said = list(heard(transcriber, SAMPLES / reference["media"]))
            errors, aligned = compare(reference["words"], said)
            if len(reference["words"]):
                everything.append(errors)
                figures.append({"recording": reference["media"], "reference_words": len(reference["words"]),
                                "matched": len(errors), "aligned": aligned, **summary(errors)})  # fmt: skip
    total = {
        "recording": "all",
        "reference_words": sum(f["reference_words"] for f in figures),
        "matched": sum(f["matched"] for f in figures),
        "aligned": sum(f["aligned"] for f in figures),
        **summary(np.concatenate(everything)),
    }
    columns = list(total)
    print(*columns, sep="\t")
    for row in [*figures, total]:
        print(*(row[column] for column in columns), sep="\t")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {"model": model, "aim": AIM, "recordings": figures, "all": total}
    write_atomically(RESULTS, (json.dumps(content, indent=1) + "\n").encode())
    missed = [name for name, aim in AIM.items() if total[name] > aim]
    print("The aim is reached." if not missed else f"Missed: {', '.join(missed)}.")
    return int(bool(missed))


def heard(transcriber: Transcriber, recording: Path) -> list[tuple[int | None, Word]]:
    found = transcribe(recording, settings=transcriber)
    return [(segment.channel, word) for segment in found.segments for word in segment.words]


def compare(reference: list[dict[str, object]], said: list[tuple[int | None, Word]]) -> tuple[NDArray[np.int64], int]:
    """Start and end error (ms) of each word that both have, and how many of them the aligner timed."""
    errors, aligned = list[tuple[int, int]](), 0
    channels = {word["channel"] for word in reference}
    for channel in channels:
        truth = [word for word in reference if word["channel"] == channel]
        mine = [word for own, word in said if own == channel or len(channels) == 1]
        matcher = SequenceMatcher(None, [w["text"] for w in truth], [w.text for w in mine], autojunk=False)
        for block in matcher.get_matching_blocks():
            for a, b in zip(truth[block.a :][: block.size], mine[block.b :][: block.size], strict=True):
                if b.start_ms is not None and b.end_ms is not None:
                    errors.append((b.start_ms - int(str(a["start_ms"])), b.end_ms - int(str(a["end_ms"]))))
                    aligned += b.timing == "aligned"
    return np.array(errors, np.int64).reshape(-1, 2), aligned


def summary(errors: NDArray[np.int64]) -> dict[str, int | None]:
    """Median and 90th percentile of the distance, and the signed medians of starts and ends."""
    if not len(errors):
        return dict.fromkeys(("median_ms", "p90_ms", "start_bias_ms", "end_bias_ms"))
    distance = np.abs(errors)
    return {
        "median_ms": round(float(np.median(distance))),
        "p90_ms": round(float(np.percentile(distance, 90))),
        "start_bias_ms": round(float(np.median(errors[:, 0]))),
        "end_bias_ms": round(float(np.median(errors[:, 1]))),
    }


def calibrate(folder: Path, sentences: int = 150) -> int:
    """Write the offsets, in steps of 10 ms, with the least 90th percentile of boundary errors."""
    sys.path[:0] = [str(SAMPLES), str(ROOT / "models" / "recipes")]
    import domain
    from voices import Speaker

    model = load_acoustic_model(ModelFiles(folder.name, folder, "wav2vec2-ctc"), Decoding())
    speaker, rng = Speaker(), random.Random(7)
    spoken = []
    while len(spoken) < sentences:
        text = domain.sentence(rng, "en")
        try:
            samples, times = speaker.say(text, rng.choice(VOICES), rng.randint(110, 190), rng.randint(20, 80))
        except ValueError:  # the synthesiser runs words together: no times
            continue
        pause = np.zeros(4800, np.float32)
        clip = np.concatenate([pause, samples * (0.4 / max(float(np.abs(samples).max()), 1e-6)), pause])
        emissions = model.emissions([clip])[0]
        truth = np.array([(round(start * 1000) + 300, round(end * 1000) + 300) for _, start, end in times])
        if emissions is not None and (truth[1:, 0] >= truth[:-1, 1] - 5).all():
            spoken.append((text, emissions, truth, len(clip) // 16))

    def errors(offset: tuple[int, int]) -> NDArray[np.int64]:
        found = []
        for text, emissions, truth, duration in spoken:
            words = align(text, replace(emissions, boundary_offset_ms=offset), duration).words
            found.append(np.array([(w.start_ms or 0, w.end_ms or 0) for w in words]) - truth)
        return np.concatenate(found)

    # The start alone first: ends give way to it, not the other way round.
    start = min(range(-120, 41, 10), key=lambda x: np.percentile(np.abs(errors((x, 0))[:, 0]), 90))
    end = min(range(-40, 161, 10), key=lambda x: np.percentile(np.abs(errors((start, x))), 90))
    for offset in ((0, 0), (start, end)):
        print(offset, summary(errors(offset)))
    content = json.dumps({"boundary_offset_ms": {"start": start, "end": end}}, indent=2) + "\n"
    write_atomically(folder / CALIBRATION, content.encode())
    print(f"Written: {folder / CALIBRATION}; seal the model again with: python -m speechpipe.registry.seal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
