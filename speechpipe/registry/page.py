"""``python -m speechpipe.registry.page docs/models.md``: write the tables of the documentation anew."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from speechpipe import languages
from speechpipe.errors import UnknownLanguage
from speechpipe.files import write_atomically
from speechpipe.registry import words
from speechpipe.registry.advice import Device, aligner_for, recommend
from speechpipe.registry.entries import ModelEntry, entry_named, list_models

#: A model whose licence has to be accepted first.
_GATED = "\\*"
_MANY = 4


def written(text: str) -> str:
    """``text`` with all between the markers ``<!-- NAME -->`` and ``<!-- end of NAME -->`` made anew."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n\n{table()}\n\n{end}{after}"
    return text


def by_language() -> str:
    """A row for each language that has a model of its own."""
    rows = []
    national = [entry for entry in list_models() if entry.national and entry.usable and not entry.demonstration]
    for code in sorted({code for entry in national for code in entry.languages}, key=languages.name):
        best, light = _best(code, "cuda"), _best(code, "cpu")
        own = best is not None and best.family.endswith("-ctc")
        aligner = aligner_for(best, code) if best else None
        rows.append(
            (
                f"{languages.name(code)} (`{code}`)",
                _named(best),
                "the same" if light == best else _named(light),
                "itself" if own else _named(entry_named(aligner) if aligner else None),
            )
        )
    return _table(("language", "best, on a GPU or overnight", "on a processor", "times the words"), rows)


def by_model() -> str:
    """A row for each model that is fetched."""
    rows = [
        (
            f"`{entry.name}`",
            ", ".join(entry.languages) if len(entry.languages) <= _MANY else f"{len(entry.languages)}",
            ", ".join({"asr": "recognises", "aligner": "aligns"}.get(role, "nothing") for role in entry.roles),
            f"{entry.parameters / 1e6:,.0f}" if entry.parameters else "",
            (words.download(entry) or "").replace("about ", "").replace(", estimated", " ?"),
            words.speed(entry, "cpu") or "",
            words.licence_name(entry) + (_GATED if words.gated(entry) else ""),
            words.style(entry) or "",
        )
        for entry in list_models()
        if not entry.embedded and entry.usable
    ]
    head = ("model", "languages", "use", "million parameters", "download", "on a processor", "licence", "writes")
    return _table(head, rows)


def left_out() -> str:
    """A row for each model that is known and cannot be used."""
    return _table(("model", "why"), [(f"`{e.name}`", e.unusable or "") for e in list_models() if not e.usable])


def by_code() -> str:
    """A row for each language that Whisper calls otherwise or does not know; then all the others."""
    odd = {code: row for code, row in languages.LANGUAGES.items() if row.whisper != code}
    rows = [
        (
            f"`{code}`",
            row.name,
            f"`{row.whisper}`" if row.whisper else "not known",
            "borrowed: it writes that language" if row.borrowed else "",
        )
        for code, row in odd.items()
    ]
    same = ", ".join(f"`{code}` {row.name}" for code, row in languages.LANGUAGES.items() if code not in odd)
    return f"{_table(('code', 'language', 'in Whisper', ''), rows)}\n\nAll others by their own code: {same}."


#: What stands between the markers of each name.
TABLES: dict[str, Callable[[], str]] = {
    "models by language": by_language,
    "all models": by_model,
    "models left out": left_out,
    "languages": by_code,
}


def _best(code: str, device: Device) -> ModelEntry | None:
    try:
        return recommend(code, device=device)[0].entry
    except UnknownLanguage:
        return None


def _named(entry: ModelEntry | None) -> str:
    return f"`{entry.name}`{_GATED if words.gated(entry) else ''}" if entry else "none"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    page = Path(sys.argv[1])
    write_atomically(page, written(page.read_text(encoding="utf-8")).encode())
