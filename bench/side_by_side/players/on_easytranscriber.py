"""easytranscriber: Silero, CTranslate2, and words timed by the CTC model that it is given."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path

import ctranslate2
from easytranscriber.pipelines import pipeline
from handing_in import hand_in, task

asked = task()
media = Path(asked["media"])
# It has no setting for either: it computes in the type of the weights, on four threads.
ctranslate2.models.Whisper = functools.partial(
    ctranslate2.models.Whisper, compute_type=asked["compute_type"], intra_threads=asked["threads"]
)
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    # It converts the weights at its first run; this is what it finds at each later one.
    converted = folder / "models" / "ct2" / Path(asked["ct2"]).name
    converted.parent.mkdir(parents=True)
    converted.symlink_to(asked["ct2"])
    pipeline(
        vad_model="silero",
        emissions_model=asked["aligner"],
        transcription_model=asked["ct2"],
        audio_paths=[media.name],
        audio_dir=str(media.parent),
        backend="ct2",
        language="en",
        beam_size=asked["beam"],
        batch_size_features=asked["batch"],
        num_workers_files=1,
        num_workers_features=asked["threads"],
        cache_dir=str(folder / "models"),
        output_vad_dir=str(folder / "vad"),
        output_transcriptions_dir=str(folder / "transcriptions"),
        output_emissions_dir=str(folder / "emissions"),
        output_alignments_dir=str(folder / "alignments"),
        device=asked["device"],
    )
    found = json.loads((folder / "alignments" / media.with_suffix(".json").name).read_text(encoding="utf-8"))
    hand_in(
        (
            (word["text"], word["start"], word["end"], word["score"])
            for speech in found["speeches"]
            for segment in speech["alignments"]
            for word in segment["words"]
        ),
        compute_type=asked["compute_type"],
    )
