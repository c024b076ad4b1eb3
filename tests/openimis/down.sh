#!/bin/bash
# Stops the web server and the database; with --wipe also removes the data and the virtual environment.
set -euo pipefail
. "$(dirname "$0")/env.sh"
bash "$HERE/stop-server.sh"
bash "$HERE/stop-database.sh"
[ "${1:-}" != --wipe ] || rm -rf "$PG" "$ROOT/venv" "$VAR"
