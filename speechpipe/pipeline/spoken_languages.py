"""The language of every window of a recording: listened for once, then read from the journal, then remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from speechpipe.chunking.plan import Plan, Window
from speechpipe.engines.contract import Clip
from speechpipe.language_identification import window_languages
from speechpipe.language_identification.probabilities import hear, places
from speechpipe.language_identification.routing import AUTO_SEGMENT
from speechpipe.pipeline.journals.batches import append, done, in_batches, pending
from speechpipe.pipeline.journals.scratch import Scratch
from speechpipe.pipeline.transcriber import Transcriber
from speechpipe.workspace import Journal

Report = Callable[[int, int], None]


class Listening:
    """``language``: as asked for, None to be heard for the whole, ``auto-segment`` for each window."""

    def __init__(self, transcriber: Transcriber, language: str | None, scratch: Scratch, journal: Journal) -> None:
        self._transcriber, self._language, self._scratch, self._journal = transcriber, language, scratch, journal
        self._spoken: window_languages.Spoken | None = None

    def spoken(self, plan: Plan, report: Report) -> window_languages.Spoken:
        if self._spoken is None:
            self._spoken = self._listen(plan, report)
        return self._spoken

    def _listen(self, plan: Plan, report: Report) -> window_languages.Spoken:
        windows = plan.windows
        if not windows or self._language not in (None, AUTO_SEGMENT):
            return window_languages.given(self._language, windows)
        if self._language == AUTO_SEGMENT:
            return window_languages.of_each(self._hear(windows, plan, report), windows)
        told = [self._tagged(window) for window in windows]
        chosen = places([window for window, language in zip(windows, told, strict=True) if language is None])
        heard = self._hear(chosen, plan, lambda done_ms, total_ms: None) if chosen else []
        return window_languages.of_the_whole(heard, chosen, told)

    def _tagged(self, window: Window) -> str | None:
        """The language of the window's stream, where a model knows it."""
        allowed = self._transcriber.routes.allowed
        return window.language if not allowed or window.language in allowed else None

    def _hear(self, windows: Sequence[Window], plan: Plan, report: Report) -> list[window_languages.Heard | None]:
        size = self._transcriber.settings.decoding.batch_size
        for batch in pending(self._journal, in_batches(windows, size), report):
            clips = [Clip(self._scratch.pcm(window, plan.media)) for window in batch]
            found = hear(self._transcriber.listener, clips)
            heard = [
                window_languages.Heard.of(probabilities, self._transcriber.routes.allowed) for probabilities in found
            ]
            append(self._journal, batch, [window_languages.entry_of(one) for one in heard])
        entries = done(self._journal)
        return [window_languages.heard_of(entries[window.index]) for window in windows]
