// Prints {cues, errors} of a WebVTT file as the W3C's parser sees it; exit 1 where it finds errors.
const { WebVTTParser } = require("webvtt-parser");
const text = require("fs").readFileSync(process.argv[2], "utf8");
const { cues, errors } = new WebVTTParser().parse(text, "subtitles");
console.log(JSON.stringify({ cues: cues.map(({ id, startTime, endTime }) => [id, startTime, endTime]), errors }));
process.exit(errors.length ? 1 : 0);
