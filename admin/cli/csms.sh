#!/bin/sh
# The `csms` command. While Python starts, it answers Ctrl-C with a traceback, and as the first process of a
# container it loses a SIGTERM. So both signals are blocked until admin/__main__.py handles them. -P ignores
# packages of the current directory.
beside=$(dirname "$(readlink -f "$0")")
for python in "$beside/python" "$beside/python3" python3; do
    if command -v "$python" >/dev/null; then break; fi
done
if env --block-signal=INT,TERM true 2>/dev/null; then
    exec env --block-signal=INT,TERM "$python" -P -m admin "$@"
fi
exec "$python" -P -m admin "$@"
