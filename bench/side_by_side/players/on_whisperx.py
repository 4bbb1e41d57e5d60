"""whisperX: its own search for speech, batches, and words timed by the CTC model that it is given."""

from __future__ import annotations

import whisperx
import whisperx.alignment
from handing_in import hand_in, task
from nltk.tokenize.punkt import PunktSentenceTokenizer

asked = task()
# It fetches tables of sentences' ends from the network; without them sentences differ, words do not.
whisperx.alignment.nltk_load = lambda name: PunktSentenceTokenizer()
model = whisperx.load_model(
    asked["ct2"],
    asked["device"],
    compute_type=asked["compute_type"],
    asr_options={"beam_size": asked["beam"]},
    language="en",
    threads=asked["threads"],
)
audio = whisperx.load_audio(asked["media"])
heard = model.transcribe(audio, batch_size=asked["batch"], language="en")
# Models of Hugging Face's form want sound of unit variance; whisperX gives it as it is, and loses its place in pauses.
audio = (audio - audio.mean()) / audio.std()
aligner, facts = whisperx.load_align_model("en", asked["device"], model_name=asked["aligner"])
found = whisperx.align(heard["segments"], aligner, facts, audio, asked["device"])
hand_in(
    ((word["word"], word.get("start"), word.get("end"), word.get("score")) for word in found["word_segments"]),
    compute_type=model.model.model.compute_type,
)
