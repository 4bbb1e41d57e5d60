"""What stands in an ALTO beside what is read of it: text in the layout is an error with its line, all else is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from speechpipe.formats.archive.alto import ALTO
from speechpipe.formats.provenance import is_told
from speechpipe.formats.text import clean

_BOX = frozenset({"ID", "HPOS", "VPOS", "WIDTH", "HEIGHT"})
#: What other programs say of a page's looks, quality and order, which a recording does not have.
_LOOKS = frozenset(
    {"STYLE", "STYLEREFS", "CC", "CS", "ROTATION", "BASELINE", "IDNEXT", "PROCESSINGREFS", "TAGREFS", "LANG"}
)
_PAGE = frozenset({"PHYSICAL_IMG_NR", "PRINTED_IMG_NR", "PAGECLASS", "PC", "ACCURACY", "QUALITY", "POSITION"})
#: The elements of a layout that hold nothing else than these attributes and each other.
_LAYOUT = {
    "Layout": _LOOKS,
    "Page": _BOX | _LOOKS | _PAGE,
    "PrintSpace": _BOX | _LOOKS,
    "TopMargin": _BOX | _LOOKS,
    "LeftMargin": _BOX | _LOOKS,
    "RightMargin": _BOX | _LOOKS,
    "BottomMargin": _BOX | _LOOKS,
    "ComposedBlock": _BOX | _LOOKS | {"TYPE"},
    "TextBlock": _BOX | _LOOKS,
    "TextLine": _BOX | _LOOKS,
    "String": _BOX | _LOOKS | {"CONTENT", "WC"},
    "SP": _BOX,
    "Illustration": _BOX | _LOOKS | {"TYPE"},
    "Shape": frozenset[str](),
    "Polygon": frozenset({"POINTS"}),
}
#: The elements elsewhere of which the text is read, or that say how an ALTO is meant.
_TOLD = frozenset(
    {"MeasurementUnit", "fileName", "fileIdentifier", "documentIdentifier", "processingCategory", "processingDateTime"}
    | {"processingStepDescription", "processingStepSettings", "softwareName", "softwareVersion"}
)
_READ_TAGS = frozenset({"status", "finding", "title", "languages", "rights", "access", "settings", "timeline"})


def check_layout(layout: Any) -> None:
    """Raises ValueError: text that would not be read stands in the layout, with its line."""
    for element in layout.iter():
        if not isinstance(element.tag, str):
            continue
        name = etree.QName(element).localname
        known = _LAYOUT.get(name) if etree.QName(element).namespace == ALTO else None
        stray = (element.text or "").strip() or (element.tail or "").strip()
        if known is None:
            raise ValueError(f"line {element.sourceline}: {name} is not read")
        if stray:
            raise ValueError(f"line {element.sourceline}: text is read from CONTENT alone, not {stray[:60]!r}")
        for attribute, value in element.attrib.items():
            if attribute not in known and value.strip():
                raise ValueError(f"line {element.sourceline}: {attribute} is not read ({value[:60]!r})")


def left_out(root: Any) -> Iterator[str]:
    """Sentences with what is not read: comments, and what stands outside of the layout."""
    around = (*root.itersiblings(preceding=True), *root.itersiblings())
    for node in (*around, *root.iter(etree.Comment, etree.ProcessingInstruction)):
        yield f"A comment was left out: {clean(node.text or '')}"
    beside = (part for part in root if part.tag != f"{{{ALTO}}}Layout")
    for element in (one for part in beside for one in part.iter(etree.Element)):
        name = etree.QName(element)
        text, tail = clean(element.text or ""), clean(element.tail or "")
        if text and (name.localname not in _TOLD or name.namespace != ALTO):
            yield f"What {name.localname} at line {element.sourceline} says was left out: {text}"
        if tail:
            yield f"What stands behind {name.localname} at line {element.sourceline} was left out: {tail}"
        if name.localname == "OtherTag":
            kind, label = element.get("TYPE"), element.get("LABEL") or ""
            if kind not in _READ_TAGS or (kind in ("status", "finding") and not is_told(clean(label))):
                yield f"The tag {kind} at line {element.sourceline} was left out: {clean(label)}"
