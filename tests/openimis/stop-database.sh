#!/bin/bash
# Stops only the database: an openIMIS whose web server answers and can do nothing.
set -euo pipefail
. "$(dirname "$0")/env.sh"
database_running || exit 0
cd /
runuser -u postgres -- "$(pgbin)/pg_ctl" -D "$PG/data" -m fast stop > /dev/null || fail "the database did not stop"
