-- Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE message (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT    NOT NULL,
    origin       TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    dedupe_key   TEXT    NOT NULL UNIQUE,
    lane         TEXT    NOT NULL,               -- one message of a lane at a time, in the order of arrival
    claim_uuid   TEXT,
    claim_code   TEXT,
    insuree_uuid TEXT,
    body         BLOB    NOT NULL,               -- as received, byte for byte
    mapped       TEXT,                           -- as last sent
    reason       TEXT,                           -- of the state it is in
    issues       TEXT,                           -- JSON list, where the document is at fault
    attempts     INTEGER NOT NULL DEFAULT 0,
    uncertain    INTEGER NOT NULL DEFAULT 0,     -- an earlier attempt may have reached the peer
    received_at  INTEGER NOT NULL,
    since        INTEGER NOT NULL,               -- received, or last put back by an admin: giving up counts from here
    due_at       INTEGER NOT NULL,               -- of a leased one: when its lease runs out
    settled_at   INTEGER
) STRICT;

CREATE INDEX message_due   ON message (due_at, id) WHERE state IN ('pending', 'leased');
CREATE INDEX message_lane  ON message (lane, id);
CREATE INDEX message_state ON message (state, id);
CREATE INDEX message_claim ON message (claim_uuid) WHERE claim_uuid IS NOT NULL;
CREATE INDEX message_code  ON message (claim_code) WHERE claim_code IS NOT NULL;

CREATE TABLE trail (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id  INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    event       TEXT    NOT NULL,
    detail      TEXT    NOT NULL,
    status      INTEGER,
    duration_ms INTEGER
) STRICT;

CREATE INDEX trail_message ON trail (message_id, id);

-- One CHT contact for one insuree, for ever.
CREATE TABLE link (
    insuree_uuid TEXT    PRIMARY KEY,
    contact_id   TEXT    NOT NULL,
    how          TEXT    NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE watermark (
    name TEXT    PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
