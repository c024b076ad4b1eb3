#!/bin/bash
# Stops the web server and the database; with --wipe also removes the data and the virtual environment.
set -euo pipefail
. "$(dirname "$0")/env.sh"
bash "$HERE/stop-server.sh"
cd /
if [ -f "$PG/data/PG_VERSION" ]; then
  runuser -u postgres -- "$(pgbin)/pg_ctl" -D "$PG/data" -m fast stop > /dev/null 2>&1 || true
fi
[ "${1:-}" != --wipe ] || rm -rf "$PG" "$ROOT/venv" "$VAR"
