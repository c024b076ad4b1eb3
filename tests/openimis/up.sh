#!/bin/bash
# Brings a real openIMIS backend with FHIR R4 up on 127.0.0.1:$PORT, from Debian's and PyPI's packages only. Idempotent. Run as root.
# State (virtual environment, database, logs) lives in $OPENIMIS_HOME, default ${TMPDIR:-/tmp}/openimis-sandbox.
set -euo pipefail
. "$(dirname "$0")/env.sh"
[ "$(id -u)" = 0 ] || fail "run this as root: it installs packages and starts PostgreSQL as the user postgres"
# Told at once rather than after the installation.
server_running || ! taken "$PORT" || fail "port $PORT is taken by another program: stop it, or set PORT to a free port"
database_running || ! taken "$PGPORT" || fail "port $PGPORT is taken by another program: stop it, or set PGPORT to a free port"
mkdir -p "$VAR"; chmod 755 "$ROOT"

updated=
apt_install() { # apt_install <what for> <package…>
  say "installing $1"; shift
  if [ -z "$updated" ]; then
    apt-get -qq -o Acquire::Retries=3 update > "$VAR/apt.log" 2>&1 || { tail -5 "$VAR/apt.log"; fail "apt-get update failed"; }
    updated=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 install -y --no-install-recommends "$@" > "$VAR/apt.log" 2>&1 ||
    { tail -5 "$VAR/apt.log"; fail "apt-get install $* failed"; }
}

command -v curl > /dev/null || apt_install curl curl
if [ -z "$(pgbin)" ]; then
  # The cluster is ours, on our port: Debian's own would only be in the way.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
  apt_install PostgreSQL postgresql
fi
B=$(pgbin)

# The Python versions that requirements-lock.txt was tried with.
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' > /dev/null 2>&1; }
makes_venv() { "$1" -c 'import venv, ensurepip' > /dev/null 2>&1; }
choose_python() { # sets PY to the first fitting one; false if there is none
  for PY in ${PYTHON:-python3.11 python3.12 python3.13 python3 /usr/bin/python3}; do
    if fits "$PY" && makes_venv "$PY"; then return; fi
  done
  return 1
}
LOCK=$(sha256sum < "$HERE/requirements-lock.txt" | cut -c1-16)
if [ "$(cat "$ROOT/venv/.lock" 2>/dev/null || true)" != "$LOCK" ]; then
  if ! choose_python && [ -z "${PYTHON:-}" ]; then
    apt_install Python python3 python3-venv
    choose_python || true
  fi
  fits "$PY" || fail "openIMIS needs Python 3.11, 3.12 or 3.13; $PY is $("$PY" --version 2> /dev/null || echo not there). Install one of these, or name it: PYTHON=/path/to/python3.11"
  makes_venv "$PY" || fail "$PY cannot make a virtual environment: install its venv module (Debian: python3-venv)"
  count=$(grep -c . "$HERE/requirements-lock.txt")
  say "installing $count PyPI packages with $("$PY" --version)"
  { fits "$ROOT/venv/bin/python" && [ -x "$ROOT/venv/bin/pip" ]; } || { rm -rf "$ROOT/venv"; "$PY" -m venv "$ROOT/venv"; }
  for try in 1 2 3; do
    if "$ROOT/venv/bin/pip" install --disable-pip-version-check --no-input --progress-bar off --retries 5 --timeout 60 \
         --no-deps -r "$HERE/requirements-lock.txt" 2>&1 | tee "$VAR/pip.log" | {
           n=0
           while read -r line; do
             case $line in
               Collecting*|"Requirement already"*) n=$((n + 1)); [ $((n % 30)) != 0 ] || say "  $n of $count" ;;
               "Installing collected"*) say "  unpacking" ;;
             esac
           done
         }; then
      echo "$LOCK" > "$ROOT/venv/.lock"
      break
    fi
    grep -E '^ *(ERROR|error)' "$VAR/pip.log" | tail -3
    [ $try != 3 ] || fail "the PyPI packages could not be installed; pip's words are in $VAR/pip.log"
    say "trying again"
  done
fi

cd /
if [ ! -f "$PG/data/PG_VERSION" ]; then
  say "creating the database cluster"
  mkdir -p "$PG"; chown postgres:postgres "$PG"
  rm -rf "$PG/new"
  runuser -u postgres -- "$B/initdb" -D "$PG/new" -U imis -A trust -E UTF8 --locale=C.UTF-8 > "$VAR/initdb.log" 2>&1 ||
    { tail -3 "$VAR/initdb.log"; fail "PostgreSQL cannot use $PG: set OPENIMIS_HOME to a folder that the user postgres can reach"; }
  mv "$PG/new" "$PG/data"
fi
OPENIMIS_SECONDS=$SECONDS bash "$HERE/start-database.sh"
[ "$(SQL postgres "select 1 from pg_database where datname='imis'")" = 1 ] || "$B/createdb" -h 127.0.0.1 -p "$PGPORT" -U imis imis

# The demo data is the same as long as the command that makes it is: Django takes 4 s to find that out, a checksum none.
SEED=$(cat "$HERE"/site/demo/management/commands/*.py "$HERE/requirements-lock.txt" | sha256sum | cut -c1-16)
if [ "$(cat "$PG/.seed" 2>/dev/null || true)" != "$SEED" ]; then
  cd "$HERE/site"
  manage() { "$ROOT/venv/bin/python" manage.py "$1" > "$VAR/$1.log" 2>&1 || { tail -5 "$VAR/$1.log"; fail "manage.py $1 failed; its log is $VAR/$1.log"; }; }
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

OPENIMIS_SECONDS=$SECONDS exec bash "$HERE/start-server.sh"
