"""XML from anywhere: no document type, so no entities of its own and nothing fetched; sizes bounded by libxml2."""

from __future__ import annotations

from typing import Any

from lxml import etree

from speechpipe.errors import one_line
from speechpipe.formats.text import clean


def add(parent: Any, name: str, text: str | None = None, **attributes: object) -> Any:
    """A new child of this qualified name, with its text and what is known of its attributes."""
    element = etree.SubElement(parent, name)
    element.text = None if text is None else clean(text)
    set_known(element, **attributes)
    return element


def set_known(element: Any, **attributes: object) -> None:
    """Set what is known, as text that XML may hold."""
    for name, value in attributes.items():
        if value is not None:
            element.set(name, clean(str(value)))


def parse(content: bytes, *, comments: bool = False) -> Any:
    """The root element, with comments and processing instructions in it where they are asked for.

    Raises:
        ValueError: not XML, or XML with a document type.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=not comments,
        remove_pis=not comments,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(f"it is no readable XML: {one_line(str(error))[:160]}") from error
    information: Any = root.getroottree().docinfo
    if information.doctype:
        raise ValueError("it has a document type (DOCTYPE), which no transcript needs")
    return root
