#!/bin/bash
# Starts only the web server (the database must be up) and waits until it answers. Nothing happens when it runs already.
set -euo pipefail
. "$(dirname "$0")/env.sh"
answers() { curl -fs -m 5 "http://127.0.0.1:$PORT/healthz" > /dev/null; }

if ! server_running; then
  ! taken "$PORT" || fail "port $PORT is taken by another program: stop it, or set PORT to a free port"
  [ -x "$ROOT/venv/bin/waitress-serve" ] || fail "openIMIS is not installed yet: run up.sh"
  say "starting the web server"
  cd "$HERE/site"
  nohup "$ROOT/venv/bin/waitress-serve" --listen="127.0.0.1:$PORT" --threads=4 openIMIS.wsgi:application \
    >> "$VAR/server.log" 2>&1 < /dev/null &
  echo $! > "$VAR/server.pid"
fi
for _ in $(seq 240); do
  if answers; then say "ready on http://127.0.0.1:$PORT/api/api_fhir_r4/"; exit 0; fi
  sleep 0.25
  server_running || break
done
tail -5 "$VAR/server.log"
fail "the web server did not answer; its log is $VAR/server.log"
