#!/usr/bin/env python3
"""How long one claim takes through a running sandbox (`cargo xtask run`): 200 claims of one insuree, one after the other.

Usage: tests/latency.py [sandbox-data] [http://127.0.0.1:8080]
"""
import base64, json, sqlite3, statistics, sys, time, urllib.request, uuid

data = sys.argv[1] if len(sys.argv) > 1 else "sandbox-data"
mediator = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8080"
claim = json.load(open(f"{data}/sample-claim-response.json"))
headers = {
    "Content-Type": "application/json",
    "Authorization": "Basic " + base64.b64encode(b"interop-client:interop-password").decode(),
}
answered, run = [], uuid.uuid4().hex[:6]
for number in range(200):
    code, claim_uuid = f"{run}-{number}", str(uuid.uuid4())
    claim["id"] = claim["identifier"][0]["value"] = claim["request"]["identifier"]["value"] = claim_uuid
    claim["identifier"][1]["value"], claim["request"]["reference"] = code, f"ClaimV2/{claim_uuid}"
    request = urllib.request.Request(f"{mediator}/mediator/claim-response", json.dumps(claim).encode(), headers)
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202, answer.status
        answer.read()
    answered.append((time.perf_counter() - begun) * 1000)
    time.sleep(0.02)
time.sleep(2)
rows = sqlite3.connect(f"{data}/mediator.db").execute(
    "SELECT settled_at - received_at FROM message WHERE state = 'delivered' AND claim_code LIKE ?", (f"{run}-%",))
delivered = [row[0] for row in rows]
assert len(delivered) == 200, f"{len(delivered)} of 200 were delivered"
for what, times in ("POST until 202", answered), ("taken in until the record is in CHT", delivered):
    print(f"{what}: median {statistics.median(times):.1f} ms, 99th percentile {sorted(times)[197]:.1f} ms")
