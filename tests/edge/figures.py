#!/usr/bin/env python3
"""How long requests to an edge take, one after the other on one connection, and how many a second over four connections.

Usage: tests/edge/figures.py http://127.0.0.1:3000 wit/cases
The edge's peers are those of `cargo xtask run`; its inbound user is that of the sandbox.
"""
import base64, http.client, json, statistics, sys, threading, time, urllib.parse, uuid

edge, cases = urllib.parse.urlparse(sys.argv[1]), sys.argv[2]
headers = {
    "Content-Type": "application/json",
    "Authorization": "Basic " + base64.b64encode(b"interop-client:interop-password").decode(),
}


def read(name):
    return open(f"{cases}/{name}.input.json").read()


claim = json.loads(read("claim-response/documented-sample"))


def new_claim():
    claim_uuid = str(uuid.uuid4())
    claim["id"] = claim["identifier"][0]["value"] = claim["request"]["identifier"]["value"] = claim_uuid
    claim["identifier"][1]["value"], claim["request"]["reference"] = claim_uuid[:8], f"ClaimV2/{claim_uuid}"
    return json.dumps(claim)


def dry_run(name):
    return json.dumps({"document": read(name), "settings": {"default_place": "p"} if "patient" in name else {}})


def ask(connection, method, path, body, expected):
    begun = time.perf_counter()
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == expected, f"{path}: {answer.status} {text[:300]}"
    return (time.perf_counter() - begun) * 1000


def connect():
    return http.client.HTTPConnection(edge.hostname, edge.port, timeout=60)


asked = [
    ("GET /health/live", "GET", "/health/live", lambda: None, 200),
    ("map/claim-response", "POST", "/mediator/map/claim-response", lambda: dry_run("claim-response/documented-sample"), 200),
    ("map/feedback", "POST", "/mediator/map/feedback", lambda: dry_run("feedback/documented"), 200),
    ("map/patient", "POST", "/mediator/map/patient", lambda: dry_run("patient/recorded"), 200),
    ("claim, stored and delivered", "POST", "/mediator/claim-response", new_claim, 202),
]
for what, method, path, body, expected in asked:
    connection, times = connect(), []
    for number in range(320):
        times.append(ask(connection, method, path, body(), expected))
    times = sorted(times[20:])
    print(f"{what}: median {statistics.median(times):.2f} ms, 99th percentile {times[296]:.2f} ms")
for what, method, path, body, expected in asked[:2]:
    sent = body()

    def many():
        connection = connect()
        for _ in range(1000):
            ask(connection, method, path, sent, expected)

    threads, begun = [threading.Thread(target=many) for _ in range(4)], time.perf_counter()
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(f"{what}: {4000 / (time.perf_counter() - begun):.0f} a second over 4 connections")
