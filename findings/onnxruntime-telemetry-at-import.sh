#!/usr/bin/env bash
# onnxruntime 1.31.1, Linux wheel (x86_64, CPython 3.11 and newer).
#
# Behaviour: `import onnxruntime` alone, without a session or a model,
#   - writes ~/.cache/Microsoft/DeveloperTools/.onnxruntime/deviceid and onnxruntime.db, a SQLite database in whose table
#     `events` an event is queued that holds the device id, the operating system, the model of the processor, its number
#     of cores, the memory, whether it runs in a container, and the name of the program;
#   - some seconds later looks up the name of a collector (seen with strace: a socket to the name server).
# `onnxruntime.disable_telemetry_events()` needs the import, and comes too late: both files are there by then.
# `ORT_DISABLE_TELEMETRY=1` in the environment before the import prevents files and look-up.
#
# Seen on Debian 12 with Python 3.11:
#   plain, files left: deviceid onnxruntime.db
#   plain, events queued (1: yes): 1
#   after disable_telemetry_events(), files left: deviceid onnxruntime.db
#   with ORT_DISABLE_TELEMETRY=1, files left:
#   with ORT_DISABLE_TELEMETRY=1, anything else in the home:
#   plain, sockets to other machines: yes
#   with ORT_DISABLE_TELEMETRY=1, sockets to other machines: no
#
# Exit code: 0 it is still so, 1 it has changed. The sockets are looked at only where strace is installed.
set -euo pipefail
VERSION=1.31.1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "onnxruntime==$VERSION"

within=.cache/Microsoft/DeveloperTools/.onnxruntime
changed=0

# run NAME PROGRAM [VARIABLE=VALUE]: runs PROGRAM with a home of its own
run() {
  mkdir -p "$folder/$1"
  local watch=()
  if command -v strace >/dev/null; then watch=(strace -f -qq -e trace=socket -o "$folder/$1.trace"); fi
  env -i PATH="$PATH" HOME="$folder/$1" "${@:3}" "${watch[@]}" "$folder/venv/bin/python" -c "$2"
}

left() { (cd "$folder/$1/$within" 2>/dev/null && ls) | tr '\n' ' ' | sed 's/ $//' || true; }

abroad() {
  if [ ! -f "$folder/$1.trace" ]; then echo unknown
  elif grep -qE 'socket\(AF_INET6?,' "$folder/$1.trace"; then echo yes
  else echo no; fi
}

# expect WHAT SEEN EXPECTED
expect() {
  echo "$1: $2"
  if [ "$2" != "$3" ]; then echo "  CHANGED, was: $3"; changed=1; fi
}

run plain 'import onnxruntime, time; time.sleep(20)'
run call 'import onnxruntime; onnxruntime.disable_telemetry_events()'
run variable 'import onnxruntime, time; time.sleep(20)' ORT_DISABLE_TELEMETRY=1

echo "onnxruntime $VERSION"
expect "plain, files left" "$(left plain)" "deviceid onnxruntime.db"
queued=$("$folder/venv/bin/python" - "$folder/plain/$within/onnxruntime.db" <<'PY' 2>/dev/null || echo none
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("select count(*) > 0 from events").fetchone()[0])
PY
)
expect "plain, events queued (1: yes)" "$queued" 1
expect "after disable_telemetry_events(), files left" "$(left call)" "deviceid onnxruntime.db"
expect "with ORT_DISABLE_TELEMETRY=1, files left" "$(left variable)" ""
expect "with ORT_DISABLE_TELEMETRY=1, anything else in the home" "$(find "$folder/variable" -mindepth 1)" ""
if command -v strace >/dev/null; then
  expect "plain, sockets to other machines" "$(abroad plain)" yes
  expect "with ORT_DISABLE_TELEMETRY=1, sockets to other machines" "$(abroad variable)" no
fi
exit $changed
