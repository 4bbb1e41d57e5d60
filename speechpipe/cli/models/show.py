"""``speechpipe models show``: what is known of one model, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from speechpipe import languages
from speechpipe.cli.models.listing import as_data, installed_names
from speechpipe.cli.options import json_option
from speechpipe.cli.tables import facts
from speechpipe.console.terminal import say, say_json
from speechpipe.errors import SpeechpipeError
from speechpipe.settings import Settings

if TYPE_CHECKING:
    from speechpipe.registry import FoundModel, ModelEntry

EPILOG = "\b\nExamples:\n  speechpipe models show KBLab/kb-whisper-large\n  speechpipe models show ./my-model --json\n"
_FAMILIES = {
    "whisper": "Whisper",
    "wav2vec2-ctc": "wav2vec 2.0 with CTC",
    "wav2vec2-bert-ctc": "wav2vec 2.0 BERT with CTC",
    "hubert-ctc": "HuBERT with CTC",
    "wav2vec2": "wav2vec 2.0, pretrained only",
    "fastconformer-tdt": "FastConformer-TDT",
    "espnet": "ESPnet",
    "unknown": "not known",
}
_USES = {"asr": "recognises speech", "aligner": "times words", "pretrained": "nothing before it is trained on"}


@click.command("show", epilog=EPILOG)
@click.argument("name", metavar="NAME|PATH")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what a model is good for; of one that is here, check too that its files are whole."""
    from speechpipe.registry import canonical, find, list_models

    here = installed_names()
    name = canonical(name)
    entry = next((entry for entry in list_models() if entry.name == name), None)
    if entry is not None and name not in here:
        if as_json:
            say_json(as_data(entry, here))
        else:
            _say([*known(entry), *_how_to_get(entry)])
        return
    try:
        found = find(name, Settings.load().store_folder)
    except SpeechpipeError as error:
        if as_json:
            say_json({"name": name, "error": type(error).__name__, "message": error.message, "cure": error.advice})
        raise
    if as_json:
        data = as_data(found.entry, here) if found.entry else {"name": found.name, "family": found.family}
        say_json({**data, "path": str(found.path), "sha256": found.sha256})
    else:
        _say([*(known(found.entry) if found.entry else _bare(found)), *_files(found)])


def known(entry: ModelEntry) -> Iterator[tuple[str, str]]:
    """Label and text of everything that the registry knows of a model; what is not known is left out."""
    from speechpipe.registry import words

    yield "Name", entry.name
    yield "Good for", words.purpose(entry)
    if entry.unusable:
        yield "Not usable", entry.unusable
    yield "Use", " and ".join(_USES[role] for role in entry.roles)
    yield "Languages", _languages(entry)
    if style := words.style(entry):
        yield "Writes", style
    yield from _size(entry)
    yield "Licence", words.licence(entry)
    if entry.licence_note:
        yield "", entry.licence_note
    if entry.publisher:
        yield "Publisher", entry.publisher
    if entry.aligners:
        yield "Aligner", words.listed(entry.aligners)
    label = "Measured" if entry.embedded else "Published"
    for measured in entry.measured:
        yield label, words.rates(measured)
        label = ""
    if entry.trained_on:
        yield "Trained on", entry.trained_on
    yield from _decoding(entry)
    label = "Notes"
    for text in entry.notes:
        yield label, text
        label = ""
    read = ", ".join(text for text in (entry.paper, entry.evidence) if text)
    if read:
        yield "Read in", read


def _languages(entry: ModelEntry) -> str:
    named = [f"{languages.name(code)} ({code})" for code in entry.languages]
    told = ", ".join(named) if len(named) <= 6 else f"{len(named)}, among them {', '.join(named[:6])}"
    if entry.varieties:
        told += f"; made for {', '.join(entry.varieties)}"
    return told if entry.national else f"{told}; multilingual"


def _size(entry: ModelEntry) -> Iterator[tuple[str, str]]:
    from speechpipe.registry import memory_needed, words

    made = f", made from {entry.base}" if entry.base and entry.base != entry.name else ""
    bins = f"; {entry.expected_mel_bins} mel bins" if entry.expected_mel_bins else ""
    follows = ", as follows from that" if bins and not entry.mel_bins else ""
    yield "Kind", f"{_FAMILIES[entry.family]}{made}{bins}{follows}"
    if entry.parameters and entry.usable:
        cpu, gpu = (words.size(memory_needed(entry, device) or 0) for device in ("cpu", "cuda"))
        yield "Size", f"{entry.parameters / 1e6:,.0f} million parameters; download {words.download(entry)}"
        yield "Memory", f"about {cpu} on a processor, {gpu} on a GPU (estimated)"
        slow, fast = words.speed(entry, "cpu"), words.speed(entry, "cuda")
        yield "Speed", f"{slow} on a processor, {fast} on a GPU (estimated from its size)"
    elif size := words.download(entry):
        yield "Size", size


def _decoding(entry: ModelEntry) -> Iterator[tuple[str, str]]:
    from speechpipe.registry import words

    if entry.window_ms:
        yield "Window", f"{entry.window_ms / 1000:g} s at most"
    if entry.beam_size:
        yield "Beams", str(entry.beam_size)
    if entry.without_timestamps:
        yield "Times", "from an aligner; its own are not to be relied on"
    if entry.language_token == "generation_config":  # noqa: S105 the language's token, no secret
        yield "Token", "the language's token stands in its generation_config.json"
    elif entry.language_token:
        yield "Token", f"Whisper's {entry.language_token}, borrowed"
    if entry.prompt:
        yield "Prompt", entry.prompt
    if entry.avoid_compute_types:
        yield "Avoid", f"computing in {words.listed(entry.avoid_compute_types)}"


def _how_to_get(entry: ModelEntry) -> Iterator[tuple[str, str]]:
    from speechpipe.registry import words

    if entry.usable:
        yield "Form", words.form(entry)
        yield "Here", f"no; fetch it with: {words.fetch_command(entry.name)}"


def _bare(found: FoundModel) -> Iterator[tuple[str, str]]:
    yield "Name", found.name
    yield "Kind", _FAMILIES[found.family]


def _files(found: FoundModel) -> Iterator[tuple[str, str]]:
    from speechpipe.registry import demonstration_warning

    yield "Folder", str(found.path)
    if found.revision:
        yield "Revision", found.revision
    yield "SHA-256", found.sha256
    yield "Files", "whole"
    if warning := demonstration_warning(found):
        yield "Warning", warning


def _say(rows: list[tuple[str, str]]) -> None:
    for line in facts(rows):
        say(line)
