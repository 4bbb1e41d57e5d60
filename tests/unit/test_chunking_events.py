"""Events: what is heard where nobody speaks, on sounds whose kind is known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import RATE, Pcm, decode, write_array
from speechpipe.chunking import Window, as_speech, find_events, plan_windows, speech_probabilities
from speechpipe.settings.chunking import Chunking
from speechpipe.transcript_data import Event
from tests.sounds import SOUNDS as PLAYED
from tests.sounds import coloured as coloured_noise
from tests.sounds import levelled, sound_of

N = 6 * RATE
T = np.arange(N) / RATE


def coloured(exponent: float, seed: int) -> np.ndarray:
    """Noise whose power falls as 1/f to the ``exponent``."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(N))
    sound = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1) ** (exponent / 2), N)
    return 0.3 * sound / np.abs(sound).max()


def played(seconds: float, *chords: tuple[float, ...], harmonics: int = 4) -> np.ndarray:
    """Struck strings: chords in turn, each note with its harmonics, dying away."""
    sound = np.zeros(N)
    each = round(seconds * RATE)
    for number, start in enumerate(range(0, N, each)):
        t = T[: min(each, N - start)]
        for hertz in chords[number % len(chords)]:
            for k in range(1, harmonics + 1):
                sound[start : start + len(t)] += np.sin(2 * np.pi * hertz * k * t) / k * np.exp(-2 * t)
    return 0.4 * sound / np.abs(sound).max()


def hum(mains: float) -> np.ndarray:
    return 0.05 * sum(np.sin(2 * np.pi * mains * k * T + k) / k for k in (1, 2, 3, 4, 6))


def white(dbfs: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(N) * 10 ** (dbfs / 20)


SOUNDS: dict[str, tuple[str, Callable[[], np.ndarray]]] = {
    "digital zero": ("silence", lambda: np.zeros(N)),
    "dither": ("silence", lambda: white(-80)),
    "offset": ("silence", lambda: np.full(N, 0.2)),
    "hiss": ("noise", lambda: white(-50)),
    "loud hiss": ("noise", lambda: white(-20)),
    "pink": ("noise", lambda: coloured(1, 1)),
    "brown": ("noise", lambda: coloured(2, 2)),
    "rumble": ("noise", lambda: coloured(2, 5)),
    "clicks": ("noise", lambda: 0.9 * (np.arange(N) % 4_000 == 0)),
    "line-up": ("tone", lambda: 0.3 * np.sin(2 * np.pi * 1_000 * T)),
    "line-up in hiss": ("tone", lambda: 0.3 * np.sin(2 * np.pi * 1_000 * T) + white(-40)),
    "50 Hz": ("tone", lambda: 0.1 * np.sin(2 * np.pi * 50 * T)),
    "European hum": ("tone", lambda: hum(50) + white(-55)),
    "American hum": ("tone", lambda: hum(60) + white(-55)),
    "piano": ("music", lambda: played(0.25, (262,), (330,), (392,), (523,), (440,))),
    "chords": ("music", lambda: played(0.8, (262, 330, 392), (220, 277, 330), (196, 247, 294))),
    "organ": ("music", lambda: played(3, (262, 330, 392), (220, 277, 330))),
    "whistling": ("music", lambda: played(0.5, (880,), (988,), (1047,), (1175,), harmonics=1)),
    "melody of steady tones": ("music", lambda: 0.3 * np.sin(2 * np.pi * (600 + 100 * (np.arange(N) // 16_384)) * T)),
    "music in hiss": ("music", lambda: played(0.25, (262,), (330,), (392,), (523,)) + white(-35)),
}


def events(folder: Path, sound: np.ndarray, windows: list[Window] | None = None) -> list[Event]:
    write_array(sound, RATE, folder)
    pcm = Pcm(folder / "lane-0.s16")
    return find_events(pcm, np.zeros(-(-pcm.samples // 512), np.float32), windows or [], 1)


@pytest.mark.parametrize("name", SOUNDS)
def test_each_sound_is_one_event_of_its_kind(tmp_path: Path, name: str) -> None:
    kind, make = SOUNDS[name]
    assert events(tmp_path, make()) == [Event(0, 6_000, kind, 1)]  # type: ignore[arg-type]


def test_a_narrow_band_of_noise_is_no_tone(tmp_path: Path) -> None:
    """Wind in a gap: all its power within 12 Hz, but never steady."""
    spectrum = np.fft.rfft(np.random.default_rng(4).standard_normal(N))
    spectrum[np.abs(np.fft.rfftfreq(N, 1 / RATE) - 700) > 6] = 0
    wind = np.fft.irfft(spectrum, N)
    assert "tone" not in [event.kind for event in events(tmp_path, 0.3 * wind / np.abs(wind).max())]


def test_kinds_in_a_row_touch_and_lie_where_they_sound(tmp_path: Path) -> None:
    order = ("dither", "piano", "line-up", "loud hiss")
    found = events(tmp_path, np.concatenate([SOUNDS[name][1]() for name in order]))
    assert [event.kind for event in found] == ["silence", "music", "tone", "noise"]
    assert [event.start_ms for event in found] == [0, *(event.end_ms for event in found[:-1])]
    assert [event.start_ms for event in found] == pytest.approx([0, 6_000, 12_000, 18_000], abs=1_024)
    assert found[-1].end_ms == 24_000


def test_windows_are_left_out_and_short_gaps_too(tmp_path: Path) -> None:
    found = events(tmp_path, np.zeros(N), [Window(0, 1_500), Window(2_499, 3_000), Window(4_000, 5_100)])
    assert found == [Event(3_000, 4_000, "silence", 1)]


def test_all_that_windows_leave_is_covered(tmp_path: Path) -> None:
    windows = [Window(1_003, 2_001), Window(4_444, 4_500)]
    found = events(tmp_path, white(-30), windows)
    assert [(event.start_ms, event.end_ms) for event in found] == [(0, 1_003), (2_001, 4_444), (4_500, 6_000)]


def test_nothing_recorded_nothing_heard(tmp_path: Path) -> None:
    assert events(tmp_path, np.zeros(0)) == []
    assert events(tmp_path, np.zeros(RATE - 100)) == []


def test_a_murmuring_voice_is_not_called_music(tmp_path: Path) -> None:
    sound = SOUNDS["organ"][1]()
    write_array(sound, RATE, tmp_path)
    pcm = Pcm(tmp_path / "lane-0.s16")
    assert [e.kind for e in find_events(pcm, np.full(188, 0.3, np.float32), [], None)] == ["noise"]


def test_a_recording_in_which_nobody_speaks(root: Path, tmp_path: Path) -> None:
    decoded = decode(root / "sample_audio" / "no-speech.mp3", tmp_path, "auto")
    with Pcm(tmp_path / decoded.lanes[0].file) as pcm:
        found = find_events(pcm, speech_probabilities(pcm), [], None)
    assert {"music", "silence", "tone"} <= {event.kind for event in found}
    assert (found[0].start_ms, found[-1].end_ms) == (0, decoded.duration_ms)
    assert all(a.end_ms == b.start_ms for a, b in pairwise(found))


def test_human_recordings(speech: Path, tmp_path: Path) -> None:
    for name, starts_with in (("fixtures/opencast/silent.mp4", "silence"), ("ina/musanmix.mp3", "music")):
        decoded = decode(speech / name, tmp_path, "auto")
        pcm = Pcm(tmp_path / decoded.lanes[0].file)
        found = find_events(pcm, speech_probabilities(pcm), [], None)
        assert found[0].kind == starts_with
        assert found[0].end_ms > 20_000
        assert all(a.end_ms == b.start_ms for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("begins", "kinds"), [(5.9, ["silence"]), (5.5, ["silence", "noise"]), (3.0, ["silence", "noise"])]
)
def test_silence_at_whose_end_something_begins_is_silence(tmp_path: Path, begins: float, kinds: list[str]) -> None:
    """A last block that is silent but for its end, where speech begins faintly before it is sure, is no noise."""
    sound = np.where(begins < T, white(-35), 0)
    assert [event.kind for event in events(tmp_path, sound)] == kinds


def test_kinds_that_the_engine_is_to_have_count_as_speech(tmp_path: Path) -> None:
    sound = np.concatenate([SOUNDS["dither"][1](), SOUNDS["piano"][1](), SOUNDS["loud hiss"][1]()])
    probabilities = np.zeros(-(-len(sound) // 512), np.float32)
    music = [event for event in events(tmp_path, sound) if event.kind == "music"]
    changed = as_speech(probabilities, music, ("music",))
    (window,) = plan_windows(changed, 18_000, Chunking())
    assert (window.start_ms, window.end_ms) == pytest.approx((6_000, 12_000), abs=1_300)
    assert not probabilities.any()
    assert not as_speech(probabilities, music, ("tone",)).any()


def test_a_tone_from_a_tape_that_runs_unevenly_is_a_tone(tmp_path: Path) -> None:
    wavering = 0.2 * np.sin(2 * np.pi * 1_000 * (T + 0.005 / (2 * np.pi * 0.7) * np.sin(2 * np.pi * 0.7 * T)))
    assert events(tmp_path, wavering + white(-55)) == [Event(0, 6_000, "tone", 1)]


def test_two_tones_at_once_are_a_tone(tmp_path: Path) -> None:
    dial = 0.1 * np.sin(2 * np.pi * 350 * T) + 0.1 * np.sin(2 * np.pi * 440 * T)
    assert events(tmp_path, dial) == [Event(0, 6_000, "tone", 1)]


@pytest.mark.parametrize("seed", range(4))
def test_a_motor_is_a_machine_and_no_music(tmp_path: Path, seed: int) -> None:
    assert [event.kind for event in events(tmp_path, sound_of("motor", 10, seed))] == ["noise"]


@pytest.mark.parametrize("name", ["organ", "strings with vibrato", "band", "guitar", "bass"])
@pytest.mark.parametrize("hiss_db", [-12, -90])
def test_music_changes_also_where_it_is_held_or_in_hiss(tmp_path: Path, name: str, hiss_db: int) -> None:
    for seed in range(3):
        sound = sound_of(name, 10, seed)
        hiss = levelled(coloured_noise(10, 0, seed), PLAYED[name][1] + hiss_db)
        heard = [event for event in events(tmp_path, sound + hiss) if event.kind == "music"]
        assert sum(event.end_ms - event.start_ms for event in heard) >= 7_000
