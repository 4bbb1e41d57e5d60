"""faster-whisper with the times of words: one window after the other, or in batches."""

from __future__ import annotations

from faster_whisper import BatchedInferencePipeline, WhisperModel
from handing_in import hand_in, task

asked = task()
model = WhisperModel(
    asked["ct2"], device=asked["device"], compute_type=asked["compute_type"], cpu_threads=asked["threads"]
)
how = {"language": "en", "beam_size": asked["beam"], "word_timestamps": True}
if asked["batch"]:
    segments, _ = BatchedInferencePipeline(model).transcribe(asked["media"], batch_size=asked["batch"], **how)
else:
    segments, _ = model.transcribe(asked["media"], **how)
hand_in(
    ((word.word, word.start, word.end, word.probability) for segment in segments for word in segment.words or ()),
    compute_type=model.model.compute_type,
)
