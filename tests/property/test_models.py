"""Languages and advice under any question: an answer from the table, or one plain line."""

from __future__ import annotations

from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from speechpipe import languages, registry
from speechpipe.cli.models.recommend import parse_size
from speechpipe.errors import UnknownLanguage, UsageError
from speechpipe.registry import memory_needed, recommend

#: Codes, names, and what is typed by mistake: other scripts, marks that combine, controls, separators.
ASKED = st.text(st.sampled_from("noNOsvdaœøåéक́ßﬁİ-_ \x00\x1b[\n½🇳🇴'\"%{"), max_size=12) | st.sampled_from(
    [
        *languages.LANGUAGES,
        *(row.name for row in languages.LANGUAGES.values()),
        "zh-Hant-TW",
        "no-nynorsk",
        "x" * 10_000,
    ]
)
NAMES = [entry.name for entry in registry.list_models()]


@given(ASKED)
def test_a_language_is_known_or_the_error_is_one_line(asked: str) -> None:
    try:
        code = languages.check(asked)
    except UnknownLanguage as error:
        assert "\n" not in str(error)
        assert "\x1b" not in str(error)
        assert set(languages.near(asked)) <= set(languages.LANGUAGES)
        assert len(languages.near(asked)) <= 3
    else:
        assert languages.check(code) == code
        assert languages.row(asked) == languages.row(code)


@settings(max_examples=60, deadline=None)
@given(
    language=st.sampled_from([*languages.LANGUAGES, "pt-PT", "nn-NO"]),
    role=st.sampled_from(["asr", "aligner"]),
    device=st.sampled_from(["cpu", "cuda"]),
    memory=st.none() | st.integers(1, 20_000_000_000),
    installed=st.frozensets(st.sampled_from(NAMES), max_size=20),
    installed_only=st.booleans(),
    free_only=st.booleans(),
)
def test_advice_keeps_to_what_was_asked(
    language: str,
    role: Literal["asr", "aligner"],
    device: Literal["cpu", "cuda"],
    memory: int | None,
    installed: frozenset[str],
    installed_only: bool,
    free_only: bool,
) -> None:
    try:
        advices = recommend(
            language,
            role=role,
            device=device,
            memory=memory,
            installed=installed,
            installed_only=installed_only,
            free_only=free_only,
        )
    except UsageError as error:
        assert "\n" not in str(error)
        return
    code = languages.check(language)
    assert advices
    assert len({advice.entry.name for advice in advices}) == len(advices)
    for advice in advices:
        entry = advice.entry
        assert entry.usable
        assert not entry.demonstration
        assert code in entry.languages
        assert role in entry.roles
        assert advice.installed == (entry.name in installed)
        assert advice.installed or not installed_only
        assert not free_only or (entry.licence_status == "stated" and not entry.restrictions)
        assert advice.fits is None or advice.memory is not None
        assert advice.fits in (None, (advice.memory or 0) <= (memory or 0))
    assert advices[0].fits is not False
    late = [advice.fits is False for advice in advices]
    assert late == sorted(late)


@given(st.sampled_from(registry.list_models()), st.integers(1, 63))
def test_more_windows_at_once_take_more_memory(entry: registry.ModelEntry, batch: int) -> None:
    for device in ("cpu", "cuda"):
        fewer, more = memory_needed(entry, device, batch), memory_needed(entry, device, batch + 1)
        if entry.parameters is None:
            assert fewer is more is None
        else:
            assert entry.parameters < (fewer or 0) < (more or 0)


@given(st.text(st.sampled_from("0123456789.,-+eEkKmMgGtTiIbB ½٣\n"), max_size=12))
def test_a_size_of_memory_is_positive_or_refused(text: str) -> None:
    try:
        assert parse_size(text) > 0
    except UsageError as error:
        assert "no size of memory" in str(error)
