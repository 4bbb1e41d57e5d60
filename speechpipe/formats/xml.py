"""XML from anywhere: no document type, so no entities of its own and nothing fetched; sizes bounded by libxml2."""

from __future__ import annotations

from typing import Any

from lxml import etree

from speechpipe.errors import one_line


def parse(content: bytes) -> Any:
    """The root element.

    Raises:
        ValueError: not XML, or XML with a document type.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(f"it is no readable XML: {one_line(str(error))[:160]}") from error
    information: Any = root.getroottree().docinfo
    if information.doctype:
        raise ValueError("it has a document type (DOCTYPE), which no transcript needs")
    return root
