#!/bin/bash
# Starts only the database. Nothing happens when it runs already.
set -euo pipefail
. "$(dirname "$0")/env.sh"
if database_running; then exit 0; fi
[ -f "$PG/data/PG_VERSION" ] || fail "there is no database yet: run up.sh"
! taken "$PGPORT" || fail "port $PGPORT is taken by another program: stop it, or set PGPORT to a free port"
cd /
runuser -u postgres -- "$(pgbin)/pg_ctl" -D "$PG/data" -w -l "$PG/log" \
  -o "-p $PGPORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=$PG -c fsync=off -c max_connections=60" start > /dev/null ||
  { tail -5 "$PG/log"; fail "the database did not start"; }
