# Sourced by the other scripts: where things are, and the functions they share.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${OPENIMIS_HOME:-${TMPDIR:-/tmp}/openimis-sandbox}
PORT=${PORT:-8000}
PGPORT=${PGPORT:-55432}
VAR=$ROOT/var
PG=$ROOT/pg
export OPENIMIS_VAR=$VAR DB_PORT=$PGPORT PYTHONDONTWRITEBYTECODE=1
export SITE_URL=${SITE_URL:-http://127.0.0.1:$PORT}
SECONDS=${OPENIMIS_SECONDS:-0} # a script that runs another one hands its time on

say() { echo "[openimis +${SECONDS}s] $*"; }
fail() { say "$@" >&2; exit 1; }

# The newest PostgreSQL server programs that Debian installed, or nothing.
pgbin() { ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -1 | xargs -r dirname; }

# SQL <database> <statement>: one statement, plain output.
SQL() { "$(pgbin)/psql" -h 127.0.0.1 -p "$PGPORT" -U imis -d "$1" -qtAc "$2"; }

# True while the process of the pid file is our web server (a pid file can outlive its process).
server_running() {
  local pid
  pid=$(cat "$VAR/server.pid" 2>/dev/null) && [ -n "$pid" ] &&
    { tr '\0' ' ' < "/proc/$pid/cmdline"; } 2>/dev/null | grep -q "waitress-serve.*:$PORT "
}

# True while our database server runs.
database_running() { [ -d "$PG/data" ] && (cd / && runuser -u postgres -- "$(pgbin)/pg_ctl" -D "$PG/data" status) > /dev/null 2>&1; }

# taken <port>: something listens there.
taken() { (: < "/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
