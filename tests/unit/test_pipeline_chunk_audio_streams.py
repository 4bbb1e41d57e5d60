"""Which audio streams are meant, and how what was decoded of several becomes one recording."""

from __future__ import annotations

import pytest

from speechpipe.audio import Channel, Decoded, Lane
from speechpipe.chunking.plan import Window
from speechpipe.errors import UnknownLanguage, UsageError
from speechpipe.language_identification.window_languages import Heard, of_the_whole
from speechpipe.pipeline.chunk.audio_streams import _merged, check, chosen, language_of
from speechpipe.transcript_data import Media, Stream

FILM = Media(
    "film.mkv",
    streams=(
        Stream(0, "video"),
        Stream(1, "audio", language="nob", channels=2),
        Stream(2, "audio", language="und", channels=1),
        Stream(3, "audio", language="sme", channels=1),
        Stream(4, "subtitle", language="nob"),
    ),
)
CHANNEL = Channel(-3.0, -20.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("best", []),
        (" Best", []),
        ("all", [1, 2, 3]),
        ("nb", [1]),
        ("se,nb", [1, 3]),
        ("no", [1]),
        ("2", [2]),
        ("3, 1,3", [1, 3]),
        ("nb,2", [1, 2]),
    ],
)
def test_streams_are_named_by_language_or_by_number_as_people_count(wanted: str, expected: list[int]) -> None:
    assert [stream.index for stream in chosen(FILM, wanted)] == expected
    assert check(wanted) == wanted


@pytest.mark.parametrize("wanted", ["4", "en", "nb,en"])
def test_a_stream_that_is_not_there_is_named_with_those_that_are(wanted: str) -> None:
    with pytest.raises(UsageError, match=r"no audio stream (4|en); it has 1 \(nob\), 2 \(und\), 3 \(sme\)\."):
        chosen(FILM, wanted)


@pytest.mark.parametrize("wanted", ["", "0", "-1", "most", "nb,,se", "all,nb", "²"])
def test_what_means_no_stream_is_refused_before_any_work(wanted: str) -> None:
    with pytest.raises(UnknownLanguage):
        check(wanted)


@pytest.mark.parametrize("wanted", ["all", "nb", "1"])
def test_media_without_sound_have_no_stream_to_choose(wanted: str) -> None:
    assert chosen(Media("still.mp4", streams=(Stream(0, "video"),)), wanted) == ()


@pytest.mark.parametrize(("tag", "code"), [("nob", "nb"), ("nb-NO", "nb"), ("und", None), ("zxx", None), (None, None)])
def test_a_tag_counts_where_it_names_a_language(tag: str | None, code: str | None) -> None:
    assert language_of(Stream(0, "audio", language=tag)) == code


def part(channels: int, *lanes: int | None, **more: object) -> Decoded:
    rows = tuple(Lane(channel, f"lane-{i}.s16") for i, channel in enumerate(lanes))
    return Decoded(rows, 1_000, policy="mix", channels=(CHANNEL,) * channels, **more)


def test_channels_count_on_and_lanes_lie_apart() -> None:
    first, *_, last = chosen(FILM, "all")
    decoded = _merged([(first, part(2, None)), (FILM.streams[2], part(2, 0, 1)), (last, part(1, None))], unread=0)
    assert [lane.channel for lane in decoded.lanes] == [0, 2, 3, 4]
    assert len({lane.file for lane in decoded.lanes}) == 4
    assert len(decoded.channels) == 5
    assert (decoded.policy, decoded.complete, decoded.warnings) == ("mix, mix, mix", True, ())


def test_what_is_wrong_with_a_stream_is_told_with_its_number() -> None:
    first, _, last = chosen(FILM, "all")
    broken = Decoded((), 0, False, "nothing can be decoded")
    noisy = part(1, None, warnings=("hum", "2 other audio streams of the file left unread"), lost=((1, 2),))
    decoded = _merged([(first, broken), (last, noisy)], unread=1)
    assert not decoded.complete
    assert decoded.incomplete_reason == "stream 1: nothing can be decoded"
    assert decoded.warnings == ("stream 3: hum", "1 other audio stream of the file left unread")
    assert decoded.duration_ms == 1_000
    assert decoded.lost == ((1, 2),)
    assert [lane.channel for lane in decoded.lanes] == [2]  # behind the two channels of the broken one


def test_tagged_windows_keep_their_language_and_the_others_take_what_is_heard() -> None:
    places = [Window(1, 2, "lane", 0, 5_000)]
    spoken = of_the_whole([Heard({"en": 0.9}, "en")], places, ["nb", None, "nb"])
    assert spoken.languages == ("nb", "en", "nb")
    assert spoken.settings["language_of_streams"] == ["nb"]
    silent = of_the_whole([], [], ["nb", "se"])
    assert silent.languages == ("nb", "se")
    assert silent.settings["language"] is None
