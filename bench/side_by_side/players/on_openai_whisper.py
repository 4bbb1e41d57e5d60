"""openai-whisper as its command line runs it, with the times of words; on a processor it computes in float32 only."""

from __future__ import annotations

import torch
import whisper
from handing_in import hand_in, task

asked = task()
torch.set_num_threads(asked["threads"])
model = whisper.load_model(asked["openai"], device=asked["device"])
half = asked["device"] == "cuda" and asked["compute_type"] == "float16"
found = model.transcribe(
    asked["media"], language="en", beam_size=asked["beam"], best_of=5, word_timestamps=True, fp16=half
)
hand_in(
    (
        (word["word"], word["start"], word["end"], word["probability"])
        for segment in found["segments"]
        for word in segment["words"]
    ),
    compute_type="float16" if half else "float32",
)
