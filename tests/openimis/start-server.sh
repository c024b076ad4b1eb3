#!/bin/bash
# Starts only the web server (the database must be up) and waits until it answers. Nothing happens when it runs already.
set -euo pipefail
. "$(dirname "$0")/env.sh"
answers() { curl -fs -m 5 "http://127.0.0.1:$PORT/healthz" > /dev/null; }

if ! server_running; then
  if answers; then say "something else answers on port $PORT: set PORT"; exit 1; fi
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
say "the web server did not answer"; tail -5 "$VAR/server.log"; exit 1
