"""The lossless form: the canonical transcript as JSON, described by ``transcript.schema.json``."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import Any, NoReturn

from speechpipe.errors import UsageError, one_line
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import Segment, TranscriptData

_SEGMENT = tuple(field for field in dataclasses.fields(Segment) if field.name != "words")
#: A line for each field, segment and word: people read and compare them so. Within a string each quotation mark has a
#: backslash before it, so that these are found only where objects meet.
_LINES = {'"segments": [{': '"segments": [\n{', '}, {"id": ': '},\n{"id": '}
_LINES |= {'"words": [{': '"words": [\n{', '}, {"text": ': '},\n{"text": '}


def write(transcript: TranscriptData, _captions: Captions) -> bytes:
    plain = dataclasses.replace(transcript, segments=()).to_dict()
    plain["segments"] = [_segment(segment) for segment in transcript.segments]
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    fields = [f"{encode({name: _known(value)})[1:-1]}" for name, value in plain.items() if name != "segments"]
    segments = encode({"segments": plain["segments"]})[1:-1]
    for together, apart in _LINES.items():
        segments = segments.replace(together, apart)
    text = "{\n" + ",\n".join([*fields, segments]) + "\n}\n"
    # A lone surrogate, as in the name of a file in an old encoding, becomes its JSON escape and comes back as it was.
    return text.encode("utf-8", "backslashreplace")


def _segment(segment: Segment) -> dict[str, Any]:
    fields = {field.name: _known(getattr(segment, field.name)) for field in _SEGMENT}
    fields["words"] = [
        {
            "text": word.text,
            "start_ms": word.start_ms,
            "end_ms": word.end_ms,
            "confidence": _known(word.confidence),
            "timing": word.timing,
        }
        for word in segment.words
    ]
    return fields


def read(content: bytes) -> TranscriptData:
    """Raises UsageError: it is not JSON, or no transcript of this version."""
    try:
        text = content.decode("utf-8-sig")
        data = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
        if not isinstance(data, dict):
            raise ValueError("not an object")
        return TranscriptData.from_dict(data)
    except RecursionError as error:
        raise _no_transcript("nested too deeply") from error
    except (ValueError, OverflowError) as error:
        line = "" if re.search(r"\bline \d", str(error)) else f"line {_line_of(content, str(error))}: "
        raise _no_transcript(f"{line}{error}") from error


def line_of_segment(content: bytes, index: int) -> int:
    """The line, from 1, on which a segment of a transcript in JSON begins."""
    text = content.decode("utf-8-sig", "replace")
    return text.count("\n", 0, _offset_of_segment(text, index)) + 1


def _offset_of_segment(text: str, index: int) -> int:
    start = re.search(r'"segments"\s*:\s*\[\s*', text)
    at = start.end() if start else 0
    for _ in range(index if start else 0):
        _, at = json.JSONDecoder().raw_decode(text, at)
        following = re.compile(r"\s*,?\s*").match(text, at)
        at = following.end() if following else at
    return at


def _line_of(content: bytes, mistake: str) -> int:
    """The line, from 1, of what an error of the transcript tells: the field that it names, or the one nobody knows."""
    text = content.decode("utf-8-sig", "replace")
    segment = re.match(r"transcript\.segments\[(\d+)\]", mistake)
    at = _offset_of_segment(text, int(segment[1])) if segment else 0
    names = re.findall(r"\.(\w+)", mistake.split(":")[0]) if not segment else []
    unknown = re.search(r"unknown fields (.*)", mistake)
    for name in [*names, *(unknown[1].split(", ")[:1] if unknown else ())]:
        at = max(at, text.find(f'"{name}', at))
    return text.count("\n", 0, at) + 1


def _no_transcript(reason: str) -> UsageError:
    short = one_line(reason)
    short = short if len(short) <= 200 else f"{short[:199]}…"
    return UsageError(f"This is no transcript: {short}.", cure="Give the JSON that speechpipe wrote.")


def _known(value: Any) -> Any:
    """``value`` with numbers that are none, such as NaN, as not known."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse(text)
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a field that stands twice JSON keeps the last alone, and a person's change may be in the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise ValueError(f"the field {twice[:40]!r} stands twice beside {str(found)[:80]}")
    return found


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
