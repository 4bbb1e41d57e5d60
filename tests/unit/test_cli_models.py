"""``models list``, ``show``, ``recommend`` and ``languages``, as a librarian types them."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from speechpipe import languages
from speechpipe.cli import cli
from speechpipe.cli.models import recommend
from speechpipe.cli.models.recommend import parse_size
from speechpipe.cli.tables import facts, table, wrapped
from speechpipe.errors import UsageError


@pytest.fixture(autouse=True)
def _no_network_and_an_empty_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("these commands need no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("SPEECHPIPE_MODELS_FOLDER", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "100")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["models", *arguments])


def said(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def objects(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(*arguments, "--json").splitlines()]


def test_nynorsk_finds_its_own_models_and_the_norwegian_ones_that_know_it() -> None:
    names = [model["name"] for model in objects("list", "--language", "nn")]
    assert {"NbAiLab/nb-wav2vec2-1b-nynorsk", "NbAiLab/nb-whisper-large", "openai/whisper-large-v3"} <= set(names)
    assert "NbAiLab/nb-wav2vec2-1b-bokmaal" not in names
    assert "KBLab/kb-whisper-large" not in names


def test_a_language_may_be_written_in_any_way() -> None:
    assert said("list", "--language", "nno") == said("list", "--language", "nn-NO") == said("list", "--language", "nn")


def test_a_role_narrows_the_list() -> None:
    assert {tuple(m["roles"]) for m in objects("list", "--role", "pretrained")} == {("pretrained",)}
    aligners = objects("list", "--role", "aligner", "--language", "da")
    assert len(aligners) == 5
    assert all("aligner" in model["roles"] for model in aligners)


def test_here_are_only_those_that_travel_with_speechpipe() -> None:
    assert {m["name"] for m in objects("list", "--installed")} == {"whisper-tiny-archive", "wav2vec2-tiny-archive"}
    assert all(model["installed"] for model in objects("list", "--installed"))
    assert not any(model["installed"] for model in objects("list", "--language", "sv"))


def test_the_list_says_what_to_mind() -> None:
    rows = {line.split("  ")[0]: line for line in said("list").splitlines()}
    assert rows["whisper-tiny-archive"].endswith("demo")
    assert rows["CoRal-project/roest-v3-whisper-1.5b"].endswith("OpenRAIL*")
    assert rows["FremyCompany/xls-r-2b-nl-v2_lm-5gram-os"].endswith("none stated*")
    assert rows["BSC-LT/whisper-large-v3-LoS"].endswith("Apache-2.0 ?*")
    assert rows["nvidia/parakeet-tdt-0.6b-v3"].endswith("unusable")
    assert "~" not in rows["NbAiLab/nb-whisper-large"], "this size was seen"
    assert "~" in rows["KBLab/kb-whisper-small"]


def test_a_list_of_nothing_says_what_to_do() -> None:
    result = run("list", "--language", "sma")
    assert result.exit_code == 2
    assert "models recommend --language sma" in result.stderr
    assert "without --installed" in run("list", "--language", "sv", "--installed").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "--language", "se"),
        ("show", "NbAiLab/nb-whisper-large"),
        ("show", "language-and-voice-lab/whisper-large-icelandic-62640-steps-967h"),
        ("show", "openai/whisper-large-v3"),
        ("recommend", "--language", "nn", "--device", "cpu", "--memory", "8G"),
        ("recommend", "--language", "gsw", "--device", "cpu", "--memory", "16G", "--all"),
        ("languages",),
    ],
)
def test_every_line_fits_a_terminal(arguments: tuple[str, ...]) -> None:
    lines = said(*arguments).splitlines()
    assert lines
    assert [line for line in lines if len(line) > 100] == []
    assert not any(line != line.rstrip() for line in lines)


def test_a_model_that_is_not_here_is_shown_in_words() -> None:
    text = " ".join(said("show", "KBLab/kb-whisper-large").split())
    for part in (
        "Good for: Swedish of every kind",
        "Languages: Swedish (sv)",
        "1,610 million parameters; download about 3.1 GB",
        "very slow on a processor, fast on a GPU (estimated",
        "Licence: Apache-2.0, free for any use, its notice kept",
        "Publisher: National Library of Sweden (KBLab)",
        "Aligner: KBLab/wav2vec2-large-voxrex-swedish",
        "Published: FLEURS: 5.4 % of the words wrong, 7.8 % by the model it was made from (model card)",
        "128 mel bins, as follows from that",
        "Here: no; fetch it with: speechpipe models fetch KBLab/kb-whisper-large",
    ):
        assert part in text


def test_a_model_is_shown_by_the_name_that_people_know() -> None:
    assert said("show", "turbo") == said("show", "openai/whisper-large-v3-turbo")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("NbAiLab/whisper-large-sme", ["the language's token stands in its generation_config.json"]),
        ("CoRal-project/roest-v3-whisper-1.5b", ["computing in float16", "forbids biometric identification"]),
        ("mikr/whisper-large-v3-czech-cv13", ["its own are not to be relied on"]),
        ("amalia-llm/CAMOES-whisper-asr", ["Portuguese (pt); made for pt-PT", "not known; accept it before use"]),
        ("FremyCompany/xls-r-2b-nl-v2_lm-5gram-os", ["none, so nobody has leave to use it; ask its publisher"]),
        ("openai/whisper-small", ["among them Afrikaans (af)", "multilingual"]),
        ("LeBenchmark/wav2vec2-FR-14K-large", ["Not usable:", "only pretrained"]),
    ],
)
def test_quirks_are_shown(name: str, parts: list[str]) -> None:
    text = " ".join(said("show", name).split())
    assert [part for part in parts if part not in text] == []


def test_a_model_that_cannot_be_used_is_not_offered() -> None:
    text = said("show", "nvidia/parakeet-tdt-0.6b-v3")
    assert "models fetch" not in text
    assert "Memory:" not in text


def test_a_model_as_json_is_one_object() -> None:
    (model,) = objects("show", "KBLab/kb-whisper-large@strict")
    assert model["hub"] == {"repository": "KBLab/kb-whisper-large", "branch": "strict", "revision": None}
    assert model["installed"] is False


def test_an_unknown_model_brings_up_the_near_ones() -> None:
    result = run("show", "kb-whisper-larg")
    assert result.exit_code == 2
    assert "Did you mean KBLab/kb-whisper-large" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_recommendation_says_why_and_how_to_get_it() -> None:
    text = said("recommend", "--language", "sv", "--device", "cpu", "--memory", "8G")
    assert text.startswith("For Swedish, on a processor with 8.0 GB of memory:\n\n1. KBLab/kb-whisper-small\n")
    assert "   speechpipe models fetch KBLab/kb-whisper-small\n" in text
    assert "About 3.9 GB of memory (estimated)." in text
    assert text.count("speechpipe models fetch") == 3
    assert "more: the same with --all." in text


def test_what_is_too_large_is_told_apart() -> None:
    text = said("recommend", "--language", "sv", "--device", "gpu", "--memory", "4G")
    assert "on a GPU with 4.0 GB of memory" in text
    assert text.index("KBLab/kb-whisper-small") < text.index("Too large: ")
    assert "KBLab/kb-whisper-large (6.3 GB)" in text.split("Too large: ")[1]


def test_without_a_gpu_the_one_for_the_processor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend, "_gpus", lambda: 0)
    result = run("recommend", "--language", "nn", "--device", "gpu")
    assert "no GPU that can be used. For its processor: NbAiLab/nb-whisper-small." in result.stderr
    assert "1. NbAiLab/nb-whisper-large" in result.stdout
    monkeypatch.setattr(recommend, "_gpus", lambda: 1)
    assert "no GPU" not in run("recommend", "--language", "nn", "--device", "gpu").stderr
    assert "on a GPU" in run("recommend", "--language", "nn").stdout


def test_memory_that_suffices_for_nothing() -> None:
    result = run("recommend", "--language", "sv", "--memory", "512M", "--device", "cpu")
    assert result.exit_code == 2
    assert "the smallest, KBLab/kb-whisper-tiny, takes about" in result.stderr
    assert result.stderr.count("\n") == 1


def test_recommendations_as_json() -> None:
    advices = objects("recommend", "--language", "da", "--device", "cpu", "--memory", "16G")
    assert advices[0]["name"] == advices[0]["model"]["name"] == "thorhojhus/whisper-small-danish"
    assert advices[0]["fetch"] == "speechpipe models fetch thorhojhus/whisper-small-danish"
    assert advices[0]["fits"] is True
    by_name = {advice["name"]: advice for advice in advices}
    assert any("OpenRAIL" in caveat for caveat in by_name["CoRal-project/roest-v3-whisper-1.5b"]["caveats"])
    free = {advice["name"] for advice in objects("recommend", "--language", "da", "--free")}
    assert free < set(by_name)
    assert "CoRal-project/roest-v3-whisper-1.5b" not in free


def test_an_aligner_is_recommended_by_its_role() -> None:
    (best, *_) = objects("recommend", "--language", "nn", "--role", "aligner")
    assert best["name"] == "NbAiLab/nb-wav2vec2-300m-nynorsk"


@pytest.mark.parametrize(("role", "option"), [("asr", "--model"), ("aligner", "--aligner")])
def test_what_is_here_is_offered_for_use(role: str, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = frozenset({"NbAiLab/nb-whisper-tiny", "NbAiLab/nb-wav2vec2-300m-bokmaal"})
    monkeypatch.setattr(recommend, "installed_names", lambda: here)
    text = said("recommend", "--language", "nb", "--role", role, "--installed")
    assert f"speechpipe transcribe MEDIA {option} NbAiLab/nb-w" in text
    assert "models fetch" not in text


def test_an_unknown_language_brings_up_the_near_ones() -> None:
    result = run("recommend", "--language", "norsk")
    assert result.exit_code == 2
    assert "Did you mean nb (Norwegian Bokmål), nn (Norwegian Nynorsk)?" in result.stderr


def test_languages_are_listed_with_what_whisper_calls_them() -> None:
    rows = {line.split()[0]: line for line in said("languages").splitlines()}
    assert "de (borrowed)" in rows["gsw"]
    assert "not known" in rows["se"]
    assert rows["nb"].split()[3] == "no"
    data = {row["code"]: row for row in objects("languages")}
    assert set(data) == set(languages.LANGUAGES)
    assert data["gd"]["borrowed"] is True
    assert data["sv"]["national_models"] == 8
    assert data["en"]["national_models"] > 0
    assert data["ja"]["national_models"] == 0


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("8G", 8_000_000_000),
        ("8g", 8_000_000_000),
        ("8 GB", 8_000_000_000),
        ("7.5GiB", 8_053_063_680),
        ("800M", 800_000_000),
        ("512 MiB", 536_870_912),
        ("1T", 1_000_000_000_000),
        ("400000", 400_000),
    ],
)
def test_sizes_of_memory(text: str, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["", "G", "-8G", "0", "0G", "8X", "8 G B", "1e9", "9" * 400 + "G", "½G", "8G\n8G"])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(UsageError, match="no size of memory"):
        parse_size(text)


def test_a_long_first_cell_has_its_own_line_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("x" * 30, "1"), ("y", "2")]
    monkeypatch.setenv("COLUMNS", "24")
    assert table(("NAME", "A"), rows) == [f"{'NAME':<21}  A", "x" * 30, " " * 23 + "1", f"{'y':<21}  2"]
    monkeypatch.delenv("COLUMNS")
    assert table(("NAME", "A"), rows)[1] == "x" * 30 + "  1", "no terminal, so a line a row"


def test_what_could_steer_a_terminal_is_shown() -> None:
    assert table(("NAME",), [("a\x1b[2J",)]) == ["NAME", "a\\x1b[2J"]
    assert facts([("Name", "a\x1bb")]) == ["Name:        a\\x1bb"]


def test_facts_are_wrapped_beside_their_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = facts([("Notes", "word " * 30), ("", "more")])
    assert all(len(line) <= 60 for line in lines)
    assert all(line.startswith(" " * 13) for line in lines[1:])
    assert wrapped("a-very-long/name-" + "x" * 80) == ["a-very-long/name-" + "x" * 80]
