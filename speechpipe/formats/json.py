"""The lossless form: the canonical transcript as JSON, described by ``transcript.schema.json``."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from speechpipe.errors import UsageError, one_line
from speechpipe.settings import Captions
from speechpipe.transcript import Transcript


def write(transcript: Transcript, _captions: Captions) -> bytes:
    text = json.dumps(_known(transcript.to_dict()), ensure_ascii=False, indent=1, allow_nan=False)
    # A lone surrogate, as in the name of a file in an old encoding, becomes its JSON escape and comes back as it was.
    return (text + "\n").encode("utf-8", "backslashreplace")


def read(content: bytes) -> Transcript:
    """Raises UsageError: it is not JSON, or no transcript of this version."""
    try:
        data = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
        if not isinstance(data, dict):
            raise ValueError("not an object")
        return Transcript.from_dict(data)
    except RecursionError as error:
        raise _no_transcript("nested too deeply") from error
    except (ValueError, OverflowError) as error:
        raise _no_transcript(str(error)) from error


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
    return [_known(item) for item in value] if isinstance(value, list) else value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse(text)
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
