-- Documents stand apart: they are pruned first, and lists need not read past them.
CREATE TABLE document (
    message_id INTEGER PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
    received   BLOB NOT NULL,                    -- byte for byte, or sealed with the key of store.key_file
    sent       BLOB                              -- as last sent; sealed likewise
) STRICT;
INSERT INTO document (message_id, received, sent) SELECT id, body, CAST(mapped AS BLOB) FROM message;
ALTER TABLE message DROP COLUMN body;
ALTER TABLE message DROP COLUMN mapped;

ALTER TABLE message ADD COLUMN leases INTEGER NOT NULL DEFAULT 0; -- how often it was leased: tells one lease from the next

DROP INDEX message_due;
DROP INDEX message_claim;                        -- the lane is the claim
CREATE INDEX message_due     ON message (kind, due_at, id) WHERE state IN ('pending', 'leased');
CREATE INDEX message_settled ON message (settled_at, id) WHERE state IN ('delivered', 'skipped', 'discarded');

-- What was delivered and is no longer kept: a repetition is recognised for ever. `key` is the UUIDv5 of the dedupe key.
CREATE TABLE forgotten (
    key        BLOB    PRIMARY KEY,
    message_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What admins did.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    message_id INTEGER,
    detail     TEXT    NOT NULL
) STRICT;

-- A text sealed with the key in use: another key is noticed at the start.
CREATE TABLE seal (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    sample BLOB NOT NULL
) STRICT;
