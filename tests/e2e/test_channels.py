"""What is judged of the channels, as a transcript tells it."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from speechpipe import Settings, transcribe


def test_a_channel_that_speaks_where_no_probe_was_is_told_of_in_the_transcript(
    talk: np.ndarray, tmp_path: Path
) -> None:
    """Half an hour is judged at 200 places, nine seconds apart; between two of them the other channel speaks."""
    rate, minutes = 8_000, 30
    talk = talk[::2]
    one = np.resize(talk, minutes * 60 * rate)
    other = np.zeros_like(one)
    place = round(100 * (minutes * 60 - 2) / 199)  # of the hundredth probe, in seconds
    other[(place + 3) * rate : (place + 8) * rate] = talk[rate : 6 * rate]
    path = tmp_path / "tape.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, rate, 0, "NONE", ""))
        file.writeframes((np.stack([one, other], axis=1) * 32_767).astype("<i2").tobytes())
    transcript = transcribe(path, settings=Settings.load(model="fake", workspace=tmp_path / "work"))
    assert transcript.steps[0].settings["channels"] == "live"
    first, later = transcript.warnings
    assert first == "Nothing is recorded on channel 2"
    start, end = later.removeprefix("Channel 2 was left out, but carries sound at ").split("–")
    assert "0:14:30" <= start <= f"0:15:{place - 900 + 3:02}" < f"0:15:{place - 900 + 8:02}" <= end <= "0:15:45"
