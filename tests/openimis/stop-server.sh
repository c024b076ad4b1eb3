#!/bin/bash
# Stops only the web server and waits until it is gone; the database stays up. With --kill it stops at once (SIGKILL).
set -euo pipefail
. "$(dirname "$0")/env.sh"
signal=TERM; [ "${1:-}" != --kill ] || signal=KILL
if server_running; then
  pid=$(cat "$VAR/server.pid")
  kill -s "$signal" "$pid"
  for _ in $(seq 40); do kill -0 "$pid" 2>/dev/null || break; sleep 0.25; done
  ! kill -0 "$pid" 2>/dev/null || kill -s KILL "$pid"
fi
rm -f "$VAR/server.pid"
