"""Which model for which language, on which machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from speechpipe import languages
from speechpipe.errors import UnknownLanguage, UsageError
from speechpipe.registry import words
from speechpipe.registry.entries import ModelEntry, Role, list_models

Device = Literal["cpu", "cuda"]

#: Bytes a parameter: eight-bit integers on a processor, half precision on a GPU, float32 through transformers.
_BYTES: dict[Device, int] = {"cpu": 1, "cuda": 2}
#: Memory while working, beside the weights: what every run takes, and what each of the windows decoded at once takes
#: by the parameters of the model, in float32. From the benchmarks of faster-whisper 1.2 (small and large-v2, batches of
#: one and eight); the two smallest in proportion to their layers.
_ALWAYS = 1_300_000_000
_PER_WINDOW = ((39e6, 90e6), (74e6, 120e6), (244e6, 300e6), (1550e6, 450e6))
_BATCH = 8
#: On a processor: from how many parameters on national and multilingual models are good, and up to how many fast.
_SUITED = {True: (200_000_000, 400_000_000), False: (800_000_000, 1_000_000_000)}


@dataclass(frozen=True, slots=True)
class Advice:
    """A model, why it is advised, and what to mind. ``memory`` is an estimate in bytes, None where the size of the
    model is not known; ``fits`` is None where that, or the machine's memory, is not known."""

    entry: ModelEntry
    reasons: tuple[str, ...]
    caveats: tuple[str, ...]
    memory: int | None
    fits: bool | None
    installed: bool

    @property
    def command(self) -> str | None:
        """What fetches it; None where it is here."""
        return None if self.installed else words.fetch_command(self.entry.name)


def recommend(
    language: str,
    *,
    role: Role = "asr",
    device: Device = "cpu",
    memory: int | None = None,
    installed: Collection[str] = frozenset(),
    installed_only: bool = False,
    free_only: bool = False,
    permitted: Collection[str] = frozenset(),
) -> list[Advice]:
    """The models for ``language`` (BCP 47, with a region where the variety matters), the best first.

    National ones come before multilingual ones, those that fit before those that do not; on a processor, those that
    suit it before slower and before weaker ones. A model that writes letters alone comes last where it is not proven;
    behind all others those for non-commercial use, then those of which nobody knows whether they may be used.
    Demonstration models are never among them.

    Args:
        memory: bytes of the machine, or of its GPU; None where not known.
        installed: names of the models that are here already.
        permitted: names of those that may be used, whatever the registry knows: accepted, or free by their cards.
        free_only: leave out those whose licence has to be accepted.

    Raises:
        UnknownLanguage: not in the table, or no model knows it; says which come near.
        UsageError: none is left, or none fits into ``memory``; says which is the smallest.
    """
    code = languages.check(language)

    def order(entry: ModelEntry) -> tuple[int, ...]:
        return (_barred(entry, permitted), *_order(entry, language, role, device))

    known = [entry for entry in list_models() if _serves(entry, code, role)]
    if not known:
        raise _no_model(code, role)
    left = [entry for entry in known if not (free_only and words.gated(entry))]
    if installed_only:
        left = [entry for entry in left if entry.name in installed]
    if not left:
        kind = "whose licence needs no acceptance" if free_only else "is here"
        first = min(known, key=order)
        raise UsageError(
            f"No model of {languages.name(code)} {kind}.", cure=f"The best is {first.name}; {_how_to_get(first)}."
        )
    advised = [_advise(entry, device, memory, entry.name in installed) for entry in left]
    advised.sort(key=lambda advice: (advice.fits is False, order(advice.entry)))
    if all(advice.fits is False for advice in advised):
        raise _too_small(advised, code, device, memory or 0)
    return advised


def memory_needed(entry: ModelEntry, device: Device = "cpu", batch: int = _BATCH) -> int | None:
    """Bytes of memory that it takes while it works, estimated from its parameters; None where those are not known."""
    if entry.parameters is None:
        return None
    weights = entry.parameters * (4 if entry.needs_torch else _BYTES[device])
    window = _interpolated(entry.parameters) * (1.0 if device == "cpu" else 0.5)
    return round(_ALWAYS + weights + batch * window)


def default_aligner(language: str) -> ModelEntry | None:
    """The model that times the words of a language where the recogniser names none; never one for non-commercial use,
    nor one whose publisher's word on its licence is not known.

    Raises:
        UnknownLanguage: not in the table.
    """
    code = languages.check(language)
    free = (e for e in list_models() if e.has_terms and "non-commercial" not in e.restrictions)
    able = [e for e in free if _serves(e, code, "aligner")]
    return min(able, key=lambda entry: _order(entry, language, "aligner", "cpu"), default=None)


def aligner_for(entry: ModelEntry, language: str | None) -> str | None:
    """The name of the model that times what ``entry`` writes in ``language`` (None: not known yet); None without one.

    Raises:
        UnknownLanguage: not in the table.
    """
    if language is None:
        return entry.aligner
    code = languages.check(language)
    known = {model.name: model for model in list_models()}
    own = next((name for name in entry.aligners if code in known[name].languages), None)
    if own is not None:
        return own
    other = default_aligner(code)
    return other.name if other else None


def _serves(entry: ModelEntry, code: str, role: Role) -> bool:
    return entry.usable and not entry.demonstration and role in entry.roles and code in entry.languages


def _barred(entry: ModelEntry, permitted: Collection[str]) -> int:
    """Whether most archives may not use it: a free model that errs more serves them better."""
    if entry.name in permitted:
        return 0
    return 1 if "non-commercial" in entry.restrictions else 2 * (not entry.has_terms)


def _order(entry: ModelEntry, language: str, role: Role, device: Device) -> tuple[int, ...]:
    """Sorts the better model first."""
    region = "-" in language and language.replace("_", "-") in entry.varieties
    main = role == "aligner" or entry.roles[0] == role  # who aligns at all aligns well enough
    # Letters without capitals or points: where a language has nothing better, or where they are proven better.
    letters = role == "asr" and entry.family.endswith("-ctc") and entry.rank != 1
    own = entry.national and main and not entry.weak and not letters and languages.check(language) not in entry.beside
    tier = 0 if own else 1 if not entry.national else 2
    condensed = entry.style.wording in ("subtitle", "semantic")
    parameters = entry.parameters or 0
    effort = _effort(entry) if device == "cpu" and role == "asr" else (0, 0)
    return (
        tier,
        entry.weak,
        not region,
        condensed,
        letters,
        effort[0],
        entry.rank is None,
        words.gated(entry),
        effort[1],
        entry.rank or 0,
        entry.layout.ct2 is None and role == "asr",
        -parameters if role == "asr" or device != "cpu" else parameters,
    )


def _effort(entry: ModelEntry) -> tuple[int, int]:
    """On a processor: what is good and fast before what is slow, and that before what is fast but often errs."""
    good, fast = _SUITED[entry.national]
    parameters = entry.parameters or 0
    if parameters > fast:
        return 1, int(parameters > 1_000_000_000)
    return (0, 0) if parameters >= good else (2, 0)


def _advise(entry: ModelEntry, device: Device, memory: int | None, here: bool) -> Advice:
    needed = memory_needed(entry, device)
    fits = None if needed is None or memory is None else needed <= memory
    return Advice(entry, tuple(_reasons(entry, device, here)), tuple(_caveats(entry, device, fits)), needed, fits, here)


def _reasons(entry: ModelEntry, device: Device, here: bool) -> Iterator[str]:
    yield words.purpose(entry)
    if entry.national:
        maker = f", by {entry.publisher}" if entry.publisher else ""
        yield f"Trained for {words.spoken(entry.languages)}{maker}."
    else:
        yield "Multilingual: of many languages, none in particular."
    place = "a processor" if device == "cpu" else "a GPU"
    if speed := words.speed(entry, device):
        yield f"{speed.capitalize()} on {place} (estimated from its size)."
    yield "Here already." if here else f"{words.form(entry)[0].upper()}{words.form(entry)[1:]}."


def _caveats(entry: ModelEntry, device: Device, fits: bool | None) -> Iterator[str]:
    if fits is False:
        yield "Too large for this memory."
    if words.gated(entry):
        yield f"Licence: {words.licence(entry)}."
    if entry.weak:
        yield "It errs often, as published, or little is known of it: compare it with another."
    if entry.layout.ct2_by == "third-party":
        yield f"Its ready form is a third party's ({entry.layout.ct2_repository})."
    if device == "cuda" and entry.avoid_compute_types:
        yield f"Do not compute it in {words.listed(entry.avoid_compute_types)}."
    if entry.without_timestamps:
        yield "It learned from single sentences: take the times from an aligner."


def _interpolated(parameters: int) -> float:
    """Working memory a window: straight lines between the known points, level beyond them."""
    (x0, y0), *rest = _PER_WINDOW
    for x1, y1 in rest:
        if parameters <= x1:
            return y0 + (y1 - y0) * (max(parameters, x0) - x0) / (x1 - x0)
        x0, y0 = x1, y1
    return y0


def _how_to_get(entry: ModelEntry) -> str:
    return f"fetch it with: {words.fetch_command(entry.name)}"


def _no_model(code: str, role: Role) -> UnknownLanguage:
    what = {"asr": "recognises", "aligner": "times the words of"}.get(role, "is trained on")
    near = [other for other in languages.related(code) if any(_serves(e, other, role) for e in list_models())]
    told = ", ".join(languages.row(other) for other in near)
    cure = f"Near to it: {told}." if near else "See what there is with: speechpipe models languages"
    return UnknownLanguage(f"No model {what} {languages.name(code)} ({code}).", cure=cure)


def _too_small(advised: list[Advice], code: str, device: Device, memory: int) -> UsageError:
    smallest = min(advised, key=lambda advice: advice.memory or 0)
    message = f"No model of {languages.name(code)} fits into {words.size(memory)} of memory"
    need = f"the smallest, {smallest.entry.name}, takes about {words.size(smallest.memory or 0)}"
    alone = words.size(memory_needed(smallest.entry, device, batch=1) or 0)
    cure = f"Decode one window at a time (decoding.batch_size 1, about {alone}), or use a machine with more memory."
    return UsageError(f"{message}: {need}.", cure=cure)
