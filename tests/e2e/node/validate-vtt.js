// Prints {cues, errors, second} of a WebVTT file: as the W3C's parser sees it, and as media-captions, a player's, reads it.
const { WebVTTParser } = require("webvtt-parser");
const text = require("fs").readFileSync(process.argv[2], "utf8");
const exact = (seconds) => Math.round(seconds * 1000) / 1000;
const told = ({ id, startTime, endTime, text }) => [id, exact(startTime), exact(endTime), text];
const { cues, errors } = new WebVTTParser().parse(text, "subtitles");
import("media-captions").then(async ({ parseText }) => {
  const second = await parseText(text, { strict: false });
  console.log(JSON.stringify({ cues: cues.map(told), errors, second: second.cues.map(told) }));
});
