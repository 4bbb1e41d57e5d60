"""A recording heard to its end, and the picture of it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from lxml import etree

from speechpipe.audio import RATE, write_wav
from speechpipe.cli import cli
from speechpipe.errors import UnreadableMedia
from speechpipe.settings import Settings
from speechpipe.settings.chunking import Chunking
from speechpipe.survey.listening import COLUMNS, Survey, survey
from speechpipe.survey.waveform import COLOURS, draw
from tests.containers import bext, chunked_wav, silent_film
from tests.sounds import levelled, notes

SVG = "{http://www.w3.org/2000/svg}"


def look(folder: Path, *channels: np.ndarray, name: str = "tape.wav") -> Survey:
    write_wav(np.stack(channels, axis=1), RATE, folder / name)
    found = survey(folder / name, Settings(workspace=folder / "work"))
    assert list((folder / "work").iterdir()) == []
    return found


def spans(svg: etree._Element, kind: str) -> list[etree._Element]:
    return [node for node in svg.iter(f"{SVG}rect") if node.get("fill") == COLOURS[kind][0] and len(node)]


def test_speech_and_silence_are_found_and_outlined(tmp_path: Path, talk: np.ndarray) -> None:
    found = look(tmp_path, np.concatenate([talk, np.zeros(10 * RATE)]))
    assert found.plan.decoded.duration_ms == 21_000
    assert 8_000 < found.speech_ms <= 11_500
    assert found.plan.events[-1].kind == "silence"
    (outline,) = found.outlines
    assert (outline.name, outline.extremes.shape) == ("mono", (COLUMNS, 2))
    assert outline.extremes[:, 1].max() == pytest.approx(talk.max(), abs=1e-4)
    assert outline.extremes[:, 0].min() == pytest.approx(talk.min(), abs=1e-4)
    assert not outline.extremes[-500:].any()


@pytest.mark.parametrize("samples", [100, 1_199, 1_201, 480_000, 480_001, 1_000_001])
def test_an_outline_holds_the_extremes_of_each_column(tmp_path: Path, samples: int) -> None:
    sound = np.random.default_rng(samples).uniform(-0.5, 0.5, samples)
    (outline,) = look(tmp_path, sound).outlines
    columns = len(outline.extremes)
    assert columns == min(COLUMNS, samples)
    edges = np.linspace(0, samples, columns + 1).astype(int)
    sound = sound - (sound.mean() if abs(sound.mean()) > 0.01 else 0)  # an offset is taken off
    expected = [(min(0, sound[a:b].min()), max(0, sound[a:b].max())) for a, b in pairwise(edges)]
    np.testing.assert_allclose(outline.extremes, expected, atol=1e-3)


def test_channels_that_are_mixed_are_shown_apart(tmp_path: Path, talk: np.ndarray) -> None:
    found = look(tmp_path, talk, 0.5 * talk)
    assert found.plan.decoded.policy == "mix"
    assert [outline.name for outline in found.outlines] == ["channel 1", "channel 2"]
    peaks = [float(outline.extremes.max()) for outline in found.outlines]
    assert peaks[1] == pytest.approx(peaks[0] / 2, abs=1e-3)


def test_songs_can_be_given_to_the_engine_too(tmp_path: Path, talk: np.ndarray) -> None:
    """Music is kept from it, unless it is asked for; what is measured of voices is measured of speech alone."""
    music = levelled(notes(10, 1, each=0.25), -22)
    write_wav(np.concatenate([talk, np.zeros(3 * RATE), music]), RATE, tmp_path / "a.wav")
    kept, given = (
        survey(tmp_path / "a.wav", Settings(workspace=tmp_path / "work", chunking=Chunking(also=also))).plan
        for also in ((), ("music",))
    )
    assert [event.kind for event in kept.events][-2:] == ["silence", "music"]
    assert [event.kind for event in given.events][-1:] == ["silence"]
    assert max(window.end_ms for window in kept.windows) < 12_500
    assert max(window.end_ms for window in given.windows) == 24_000
    assert {window.start_ms for window in kept.windows} <= {window.start_ms for window in given.windows}


def test_speech_on_two_channels_at_once_counts_once(tmp_path: Path, talk: np.ndarray) -> None:
    found = look(tmp_path, talk, np.roll(talk[::-1], RATE))
    assert found.plan.decoded.policy == "split"
    assert found.speech_ms <= 11_000


def test_the_picture_marks_what_is_heard_where_it_is(tmp_path: Path, talk: np.ndarray) -> None:
    svg = etree.fromstring(draw(look(tmp_path, np.concatenate([talk, np.zeros(11 * RATE)]))))
    (silence,) = spans(svg, "silence")
    assert float(silence.get("x")) > 690
    assert all(float(node.get("x")) < 730 for node in spans(svg, "speech"))
    assert silence.findtext(f"{SVG}title").startswith("silence 0:00:1")
    texts = [node.text for node in svg.iter(f"{SVG}text")]
    assert {"tape.wav", "mono", "heard", "speech", "silence", "0:00:00", "0:00:20"} <= set(texts)
    assert svg.get("role") == "img"
    assert svg.findtext(f"{SVG}desc") == "0:00:22 decoded, 0:00:11 of speech, 1 channel, read as: mono"


def test_names_cannot_break_the_picture(tmp_path: Path, talk: np.ndarray) -> None:
    name = "</text><script>alert(1)</script>&\x1b.wav".replace("/", "∕")
    svg = etree.fromstring(draw(look(tmp_path, talk, name=name)))
    assert not list(svg.iter(f"{SVG}script"))
    assert any("<script>" in (node.text or "") for node in svg.iter(f"{SVG}text"))


def test_warnings_stand_below(tmp_path: Path, talk: np.ndarray) -> None:
    svg = etree.fromstring(draw(look(tmp_path, talk, np.zeros(len(talk)))))
    assert any(node.text == "• Nothing is recorded on channel 2" for node in svg.iter(f"{SVG}text"))


def test_media_without_sound_can_be_drawn(tmp_path: Path) -> None:
    found = survey(silent_film(tmp_path / "film.mov"), Settings(workspace=tmp_path))
    assert (found.outlines, found.speech_ms) == ((), 0)
    assert etree.fromstring(draw(found)).tag == f"{SVG}svg"


def test_what_cannot_be_read_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound\n" * 99)
    with pytest.raises(UnreadableMedia):
        survey(tmp_path / "a.wav", Settings(workspace=tmp_path / "work"))
    assert not (tmp_path / "work").exists()


# As a person asks for it.


def inspect(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["inspect", *map(str, arguments)])
    return result.exit_code, result.stdout


def test_listening_tells_what_is_heard(tmp_path: Path, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path / "work"))
    write_wav(np.stack([talk, 0 * talk], axis=1), RATE, tmp_path / "a.wav")
    code, out = inspect(tmp_path / "a.wav", "--listen")
    assert code == 0
    for expected in ("Decoded:     0:00:11.000", "read as: live", "Warning:     Nothing is recorded on channel 2"):
        assert expected in out
    assert "Channel 2:   peak none, level none" in out
    code, out = inspect(tmp_path / "a.wav", "--listen", "--json")
    heard = json.loads(out)["heard"]
    assert (heard["decoded"]["policy"], heard["decoded"]["channels"][1]["peak_dbfs"]) == ("live", None)
    assert heard["speech"][0]["channel"] == 0


def test_a_picture_is_written(tmp_path: Path, talk: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path / "work"))
    write_wav(talk, RATE, tmp_path / "a.wav")
    code, out = inspect(tmp_path / "a.wav", "--picture", tmp_path / "a.svg")
    assert code == 0
    assert f"Picture:     {tmp_path / 'a.svg'}" in out
    assert etree.parse(tmp_path / "a.svg").getroot().tag == f"{SVG}svg"
    assert inspect(tmp_path / "a.wav", "--picture", tmp_path / "a.wav" / "a.svg")[0] == 5


def test_broadcasters_notes_are_shown(tmp_path: Path) -> None:
    notes = bext(originator=b"NRK", history=b"A=ANALOGUE,M=mono,T=Studer A80\r\n")
    code, out = inspect(chunked_wav(tmp_path / "a.wav", notes))
    assert code == 0
    assert "Originator:  NRK" in out
    assert "History:     A=ANALOGUE,M=mono,T=Studer A80" in out
