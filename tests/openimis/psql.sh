#!/bin/bash
# psql on the sandbox's database, e.g.  ./psql.sh -c 'select "ClaimUUID","FeedbackStatus" from "tblClaim"'
set -euo pipefail
. "$(dirname "$0")/env.sh"
exec "$(pgbin)/psql" -h 127.0.0.1 -p "$PGPORT" -U imis -d imis "$@"
