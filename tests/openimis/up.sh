#!/bin/bash
# Brings a real openIMIS backend with FHIR R4 up on 127.0.0.1:$PORT, from Debian's and PyPI's packages only. Idempotent. Run as root.
# State (virtual environment, database, logs) lives in $OPENIMIS_HOME, default ${TMPDIR:-/tmp}/openimis-sandbox.
set -euo pipefail
. "$(dirname "$0")/env.sh"
mkdir -p "$VAR"; chmod 755 "$ROOT"

if [ -z "$(pgbin)" ]; then
  say "installing postgresql"
  apt-get update -qq
  mkdir -p /etc/postgresql-common
  # The cluster is ours, on our port: Debian's own would only be in the way.
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql > /dev/null
fi
B=$(pgbin)

PY=${PYTHON:-python3.11}; command -v "$PY" > /dev/null || PY=python3
LOCK=$(sha256sum < "$HERE/requirements-lock.txt" | cut -c1-16)
if [ "$(cat "$ROOT/venv/.lock" 2>/dev/null || true)" != "$LOCK" ]; then
  say "installing $(grep -c . "$HERE/requirements-lock.txt") PyPI packages"
  [ -x "$ROOT/venv/bin/python" ] || "$PY" -m venv "$ROOT/venv"
  "$ROOT/venv/bin/pip" install -q --disable-pip-version-check --no-deps -r "$HERE/requirements-lock.txt"
  echo "$LOCK" > "$ROOT/venv/.lock"
fi

cd /
if [ ! -f "$PG/data/PG_VERSION" ]; then
  say "creating the database cluster"
  mkdir -p "$PG"; chown postgres:postgres "$PG"
  runuser -u postgres -- "$B/initdb" -D "$PG/data" -U imis -A trust -E UTF8 --locale=C.UTF-8 > "$VAR/initdb.log" 2>&1
fi
runuser -u postgres -- "$B/pg_ctl" -D "$PG/data" status > /dev/null 2>&1 ||
  runuser -u postgres -- "$B/pg_ctl" -D "$PG/data" -w -l "$PG/log" \
    -o "-p $PGPORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=$PG -c fsync=off -c max_connections=60" start > /dev/null
[ "$(SQL postgres "select 1 from pg_database where datname='imis'")" = 1 ] || "$B/createdb" -h 127.0.0.1 -p "$PGPORT" -U imis imis

# The demo data is the same as long as the command that makes it is: Django takes 4 s to find that out, a checksum none.
SEED=$(cat "$HERE"/site/demo/management/commands/*.py "$HERE/requirements-lock.txt" | sha256sum | cut -c1-16)
if [ "$(cat "$PG/.seed" 2>/dev/null || true)" != "$SEED" ]; then
  cd "$HERE/site"
  manage() { "$ROOT/venv/bin/python" manage.py "$1" > "$VAR/$1.log" 2>&1 || { tail -5 "$VAR/$1.log"; exit 1; }; }
  if [ "$(SQL imis "select to_regclass('django_migrations') is not null and to_regclass('auth_permission') is not null")" != t ] ||
     [ "$(SQL imis 'select count(*) from auth_permission')" = 0 ]; then
    say "creating tables"
    manage create_schema
  fi
  say "seeding"
  manage seed_demo
  tail -1 "$VAR/seed_demo.log"
  echo "$SEED" > "$PG/.seed"
fi

exec bash "$HERE/start-server.sh"
