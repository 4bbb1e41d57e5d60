"""A survey as a picture (SVG): each channel's waveform over time, with speech, music, silence and trouble marked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from lxml import etree

from speechpipe.survey.listening import Outline, Survey

WIDTH, LEFT, RIGHT = 1_340, 100, 40
_TRACK, _BAND, _GAP = 90, 14, 22
_PLOT = WIDTH - LEFT - RIGHT
#: What is marked → its colour (of the Okabe-Ito palette, told apart by the colour-blind) and its name.
COLOURS = {
    "speech": ("#0072b2", "speech"),
    "music": ("#cc79a7", "music"),
    "silence": ("#dddddd", "silence"),
    "noise": ("#e69f00", "noise"),
    "tone": ("#f0e442", "tone"),
    "unreadable": ("#d55e00", "unreadable"),
}
#: Distances between marks of time, in seconds.
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400)
_MOST_TICKS = 12


def draw(survey: Survey) -> bytes:
    """The picture as an SVG document that needs nothing else."""
    duration = max(1, survey.plan.decoded.duration_ms)
    warnings = _remarks(survey)
    tracks = len(survey.outlines)
    bands = 60 + tracks * (_TRACK + _GAP)
    rows = _rows(survey)
    axis = bands + len(rows) * (_BAND + 6)
    height = axis + 64 + 18 * len(warnings)
    svg = etree.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    svg.set("font-family", "sans-serif")
    svg.set("font-size", "13")
    _text(svg, "title", f"What is heard in {survey.plan.media.name}")
    _text(svg, "desc", _description(survey))
    _rect(svg, 0, 0, WIDTH, height, "#ffffff")
    _text(svg, "text", survey.plan.media.name, x=LEFT, y=26, font_size=17, font_weight="bold")
    _text(svg, "text", _description(survey), x=LEFT, y=46, fill="#555555")
    for number, outline in enumerate(survey.outlines):
        _track(svg, outline, 60 + number * (_TRACK + _GAP), _PLOT * outline.duration_ms / duration)
    for number, (label, spans) in enumerate(rows):
        y = bands + number * (_BAND + 6)
        _text(svg, "text", label, x=LEFT - 8, y=y + 12, text_anchor="end")
        _rect(svg, LEFT, y, _PLOT, _BAND, "#f6f6f6")
        for kind, start, end in spans:
            mark = _rect(svg, LEFT + _PLOT * start / duration, y, _PLOT * (end - start) / duration, _BAND, kind)
            _text(mark, "title", f"{COLOURS[kind][1]} {_clock(start)}–{_clock(end)}")
    for second in _ticks(duration):
        x = LEFT + _PLOT * second * 1000 / duration
        etree.SubElement(
            svg, "line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1="60", y2=f"{axis}", stroke="#888888", opacity="0.35"
        )
        _text(svg, "text", _clock(second * 1000), x=x, y=axis + 16, text_anchor="middle", fill="#555555")
    _legend(svg, survey, axis + 40)
    for number, warning in enumerate(warnings):
        _text(svg, "text", f"• {warning}", x=LEFT, y=axis + 64 + 18 * number, fill="#a03000")
    return bytes(etree.tostring(svg, xml_declaration=True, encoding="utf-8", pretty_print=True))


def _rows(survey: Survey) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """One band a lane, with what was heard in it."""
    rows = []
    for lane in survey.plan.decoded.lanes:
        spans = [("speech", w.start_ms, w.end_ms) for w in survey.plan.windows if w.channel == lane.channel]
        spans += [
            (e.kind, e.start_ms, e.end_ms)
            for e in survey.plan.events
            if e.channel == lane.channel or e.kind == "unreadable"
        ]
        rows.append(("heard" if lane.channel is None else f"heard on {lane.channel + 1}", spans))
    return rows


def _track(svg: etree._Element, outline: Outline, y: int, width: float) -> None:
    middle = y + _TRACK / 2
    _text(svg, "text", outline.name, x=LEFT - 8, y=middle + 4, text_anchor="end")
    _rect(svg, LEFT, y, _PLOT, _TRACK, "#f6f6f6")
    x = LEFT + np.linspace(0, width, len(outline.extremes))
    half = _TRACK / 2 - 2
    upper = [f"{a:.1f},{middle - half * high:.1f}" for a, high in zip(x, outline.extremes[:, 1], strict=True)]
    lower = [f"{a:.1f},{middle - half * low:.1f}" for a, low in zip(x, outline.extremes[:, 0], strict=True)]
    shape = etree.SubElement(svg, "polygon", points=" ".join(upper + lower[::-1]), fill="#3a3a3a", stroke="#3a3a3a")
    shape.set("stroke-width", "0.6")


def _legend(svg: etree._Element, survey: Survey, y: int) -> None:
    found = {kind for _, spans in _rows(survey) for kind, _, _ in spans}
    x = LEFT
    for kind, (_, name) in COLOURS.items():
        if kind in found:
            _rect(svg, x, y - 11, 14, 14, kind)
            _text(svg, "text", name, x=x + 20, y=y)
            x += 40 + 8 * len(name)


def _remarks(survey: Survey) -> list[str]:
    decoded = survey.plan.decoded
    reason = [f"Incomplete: {decoded.incomplete_reason}"] if decoded.incomplete_reason else []
    return [*reason, *decoded.warnings]


def _description(survey: Survey) -> str:
    decoded = survey.plan.decoded
    channels = f"{len(decoded.channels)} channel{'' if len(decoded.channels) == 1 else 's'}"
    return (
        f"{_clock(decoded.duration_ms)} decoded, {_clock(survey.speech_ms)} of speech, "
        f"{channels}, read as: {decoded.policy}"
    )


def _ticks(duration_ms: int) -> Iterator[int]:
    step = next((step for step in _TICKS if duration_ms / 1000 / step <= _MOST_TICKS), _TICKS[-1])
    yield from range(0, duration_ms // 1000 + 1, step)


def _clock(ms: int) -> str:
    seconds = round(ms / 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _rect(parent: etree._Element, x: float, y: float, width: float, height: float, fill: str) -> etree._Element:
    colour = COLOURS[fill][0] if fill in COLOURS else fill
    sizes = {"x": x, "y": y, "width": max(0.5, width), "height": height}
    node = etree.SubElement(parent, "rect", fill=colour)
    for key, value in sizes.items():
        node.set(key, f"{value:.1f}")
    return node


def _text(parent: etree._Element, tag: str, text: str, **attributes: object) -> etree._Element:
    node = etree.SubElement(parent, tag)
    for key, value in attributes.items():
        node.set(key.replace("_", "-"), f"{value:.1f}" if isinstance(value, float) else str(value))
    # XML has no control characters: a name from outside may.
    node.text = "".join(c if c.isprintable() else "�" for c in text)
    return node
