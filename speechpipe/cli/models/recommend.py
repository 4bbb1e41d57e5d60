"""``speechpipe models recommend``: which model for a language, on this machine or another."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from speechpipe import languages
from speechpipe.cli.models.listing import as_data, installed_names
from speechpipe.cli.options import json_option
from speechpipe.cli.tables import wrapped
from speechpipe.console.terminal import note, say, say_json
from speechpipe.errors import UsageError

if TYPE_CHECKING:
    from speechpipe.registry import Advice

EPILOG = """\b
Examples:
  speechpipe models recommend --language sv --device cpu --memory 8G
  speechpipe models recommend --language nn --role aligner
"""
_UNITS = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000, "T": 1_000_000_000_000}
#: As many as a person compares.
_MOST = 3


@dataclass(frozen=True, slots=True)
class Machine:
    """``memory``: bytes, of the GPU where it computes there; None where not known."""

    device: Literal["cpu", "cuda"]
    memory: int | None

    def __str__(self) -> str:
        from speechpipe.registry import words

        with_memory = f" with {words.size(self.memory)} of memory" if self.memory else ""
        return f"{'a processor' if self.device == 'cpu' else 'a GPU'}{with_memory}"


@click.command("recommend", epilog=EPILOG)
@click.option("--language", metavar="CODE", required=True, help="The language that is spoken, such as nn or sv.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="What computes: the processor, a GPU, or what this machine has.",
)
@click.option("--memory", metavar="SIZE", help="Its memory, such as 8G; without it, this machine's where it is known.")
@click.option(
    "--role", type=click.Choice(["asr", "aligner"]), default="asr", show_default=True, help="Recognise, or time words."
)
@click.option("--installed", is_flag=True, help="Only models that are here.")
@click.option("--free", is_flag=True, help="Only models whose licence needs no acceptance.")
@click.option("--all", "everything", is_flag=True, help="All that serve, not the best three alone.")
@json_option
def recommend(
    language: str,
    device: str,
    memory: str | None,
    role: Literal["asr", "aligner"],
    installed: bool,
    free: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """Recommend models for a language, the best first, and say why; --json prints one object a line."""
    from speechpipe import registry

    size = parse_size(memory) if memory else None
    machine = _machine(device, size)
    here = installed_names()

    def advised(on: Machine) -> list[Advice]:
        return registry.recommend(
            language,
            role=role,
            device=on.device,
            memory=on.memory,
            installed=here,
            installed_only=installed,
            free_only=free,
        )

    advices = advised(machine)
    if device == "gpu" and not _gpus():
        best = advised(Machine("cpu", _own_memory()))[0].entry.name
        note(f"This machine has no GPU that can be used. For its processor: {best}.\n")
    if as_json:
        for advice in advices:
            say_json(_data(advice, machine, here))
        return
    option = "--aligner" if role == "aligner" else "--model"
    _say(advices, machine, languages.name(language), option, None if everything else _MOST)


def parse_size(text: str) -> int:
    """Bytes of ``8G``, ``8 GB``, ``7.5GiB``. Raises ``UsageError``."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*([KMGT]?)(I?)B?", text.strip().upper())
    size = (
        round(float(match[1]) * (1024 ** " KMGT".index(match[2]) if match[3] and match[2] else _UNITS[match[2]]))
        if match
        else 0
    )
    if size <= 0:
        raise UsageError(f"{text!r} is no size of memory.", cure="Write it as 8G or 800M.")
    return size


def _machine(device: str, memory: int | None) -> Machine:
    """The machine that is asked about; of this one, what is known."""
    if device == "gpu" or (device == "auto" and _gpus()):
        return Machine("cuda", memory)
    return Machine("cpu", memory or _own_memory())


def _gpus() -> int:
    try:
        import ctranslate2
    except (ImportError, OSError):
        return 0
    return int(ctranslate2.get_cuda_device_count())


def _own_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _say(advices: list[Advice], machine: Machine, language: str, option: str, most: int | None) -> None:
    from speechpipe.registry import words

    suited = [advice for advice in advices if advice.fits is not False]
    say(f"For {language}, on {machine}:")
    for number, advice in enumerate(suited[:most], 1):
        say(f"\n{number}. {advice.entry.name}")
        for line in wrapped(" ".join(advice.reasons), "   "):
            say(line)
        if advice.memory:
            say(f"   About {words.size(advice.memory)} of memory (estimated).")
        for caveat in advice.caveats:
            for line in wrapped(f"Mind: {caveat}", "   ", "         "):
                say(line)
        say(f"   {advice.command or f'speechpipe transcribe MEDIA {option} {advice.entry.name}'}")
    if most is not None and len(suited) > most:
        say(f"\n{len(suited) - most} more: the same with --all.")
    large = [advice for advice in advices if advice.fits is False]
    if large:
        told = ", ".join(f"{advice.entry.name} ({words.size(advice.memory or 0)})" for advice in large)
        say()
        for line in wrapped(f"Too large: {told}.", "", "  "):
            say(line)


def _data(advice: Advice, machine: Machine, here: frozenset[str]) -> dict[str, Any]:
    return {
        "name": advice.entry.name,
        "device": machine.device,
        "reasons": advice.reasons,
        "caveats": advice.caveats,
        "memory_estimate": advice.memory,
        "fits": advice.fits,
        "installed": advice.installed,
        "fetch": advice.command,
        "model": as_data(advice.entry, here),
    }
