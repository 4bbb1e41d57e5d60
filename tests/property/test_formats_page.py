"""Whatever a transcript holds, its page has the same words, the same data, and no element but its own."""

from __future__ import annotations

import json
import re
import unicodedata
from itertools import accumulate

import lxml.html
from hypothesis import given, settings

from speechpipe import formats
from speechpipe.formats.captions.cues import cues, words_of
from speechpipe.formats.text import clean
from speechpipe.formats.turns import in_order
from speechpipe.settings.captions import Captions
from speechpipe.transcript import Transcript
from tests.transcripts import any_transcripts, spoken_transcripts

OWN = (
    "html head meta link title style body header a h1 p main div section audio video label input ul li bdi svg path i "
    "form button output span select option details summary kbd h2 footer script"
)
ATTRIBUTES = (
    "lang charset http-equiv content name rel href class dir id aria-label aria-labelledby aria-hidden controls src "
    "preload hidden role type accept for autocomplete spellcheck disabled checked value selected tabindex viewbox "
    "height preserveaspectratio d data-lane data-t data-code"
)


@settings(deadline=None, max_examples=60)
@given(any_transcripts | spoken_transcripts)
def test_what_a_parser_reads_is_what_was_written(transcript: Transcript) -> None:
    page = lxml.html.document_fromstring(formats.write(transcript, "html").decode())
    words = [word for segment in in_order(transcript.segments) for word in words_of(segment)]
    assert [span.text or "" for span in page.xpath("//*[@class='said']/span")] == [word.text for word in words]
    (script,) = page.xpath("//script[@id='data']")
    data = json.loads(script.text)
    assert [row[3] for row in data["cues"]] == [
        "\n".join(cue.line_texts) for cue in cues(transcript, Captions.model_validate({}))
    ]
    known = [word.start_ms for word in words if word.start_ms is not None]
    assert list(accumulate(step for step in data["starts"] if step is not None)) == known
    assert len(data["starts"]) == len(data["lasts"]) == len(data["sure"]) == len(words)
    assert (page.xpath("//title")[0].text or "") == (
        clean(transcript.title or "") or clean(formats.file_name(transcript)) or "Recording"
    )


@settings(deadline=None, max_examples=60)
@given(any_transcripts)
def test_it_has_no_element_or_attribute_but_its_own(transcript: Transcript) -> None:
    text = formats.write(transcript, "html").decode()
    page = lxml.html.document_fromstring(text)
    assert {element.tag for element in page.iter()} <= set(OWN.split())
    assert {name.lower() for element in page.iter() for name in element.attrib} <= set(ATTRIBUTES.split())
    assert len(page.xpath("//script")) == 3 and len(page.xpath("//style")) == 1
    assert not re.search("[\0\x0b\x1b\x7f\x85\u2028\u2029\ufffe\uffff]", text)


@settings(deadline=None, max_examples=60)
@given(any_transcripts)
def test_put_into_composed_form_it_is_the_same_page(transcript: Transcript) -> None:
    text = formats.write(transcript, "html").decode()
    page = lxml.html.document_fromstring(text)
    composed = lxml.html.document_fromstring(unicodedata.normalize("NFC", text))
    assert [element.tag for element in page.iter()] == [element.tag for element in composed.iter()]
    assert json.loads(page.xpath("//script[@id='data']")[0].text) == json.loads(
        composed.xpath("//script[@id='data']")[0].text
    )
