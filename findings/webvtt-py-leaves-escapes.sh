#!/usr/bin/env bash
# webvtt-py 0.6.0.
#
# Behaviour: `Caption.text` takes out the tags of WebVTT, but leaves its escapes: `AT&amp;T` of a valid file is the text
# `AT&amp;T`, and `save_as_srt`, into a format that has no escapes, writes it so; a viewer reads `&amp;` and `&lt;`. The
# other way, from SubRip, `save` escapes nothing: `R&D` and `< 6` come out as they are, where WebVTT forbids both signs, and
# what stands within `<` and `>`, such as `<unclear>`, is a tag from then on: in `Caption.text` it is gone.
# In a caption with two voices `Caption.voice` is the first, and the words of both are in its `text`.
# So a search over `text` misses names, and a round from WebVTT to SubRip and back keeps no meaning of these signs.
#
# Seen on Debian 12 with Python 3.11:
#   WebVTT, text of the first caption: AT&amp;T paid &lt; 6 pounds
#   WebVTT, voice of the second: Ann
#   WebVTT, text of the second: Good evening. Good evening.
#   written as SubRip: AT&amp;T paid &lt; 6 pounds
#   SubRip, text: R&D cost  in 1950
#   written as WebVTT: R&D cost < 6 pounds <unclear> in 1950
#
# Exit code: 0 it is still so, 1 it has changed.
set -euo pipefail
VERSION=0.6.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "webvtt-py==$VERSION"

cd "$folder"
cat >a.vtt <<'VTT'
WEBVTT

00:00:01.000 --> 00:00:03.000
<i>AT&amp;T</i> paid &lt; 6 pounds

00:00:04.000 --> 00:00:06.000
<v Ann>Good evening.</v> <v Ben>Good evening.</v>
VTT
cat >b.srt <<'SRT'
1
00:00:01,000 --> 00:00:03,000
R&D cost < 6 pounds <unclear> in 1950
SRT
cat >look.py <<'PY'
import sys
from pathlib import Path

import webvtt

changed = False


def expect(what, seen, expected):
    global changed
    print(f"{what}: {seen}")
    if seen != expected:
        print(f"  CHANGED, was: {expected}")
        changed = True


def line(file, number):
    return Path(file).read_text().splitlines()[number]


escaped, voices = webvtt.read("a.vtt")
expect("WebVTT, text of the first caption", escaped.text, "AT&amp;T paid &lt; 6 pounds")
expect("WebVTT, voice of the second", voices.voice, "Ann")
expect("WebVTT, text of the second", voices.text, "Good evening. Good evening.")
webvtt.read("a.vtt").save_as_srt("a.srt")
expect("written as SubRip", line("a.srt", 2), "AT&amp;T paid &lt; 6 pounds")

spoken = webvtt.from_srt("b.srt")
expect("SubRip, text", spoken[0].text, "R&D cost  in 1950")
spoken.save("b.vtt")
expect("written as WebVTT", line("b.vtt", 3), "R&D cost < 6 pounds <unclear> in 1950")
sys.exit(changed)
PY
echo "webvtt-py $VERSION"
venv/bin/python look.py
