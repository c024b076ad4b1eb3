-- Facilities of a registry, as they were last sent to openIMIS, and why some were not.
CREATE TABLE facility (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source      TEXT    NOT NULL UNIQUE,         -- the registry's name for it: Location/<id>
    code        TEXT,                            -- openIMIS' code
    name        TEXT,
    fingerprint TEXT,                            -- of what openIMIS was last brought to
    state       TEXT    NOT NULL,                -- done, failed, possible-duplicate, due
    action      TEXT,                            -- of a done one: create, update, none
    reason      TEXT,                            -- of the state it is in
    issues      TEXT,                            -- JSON list, where the registry's entry is at fault
    document    BLOB,                            -- as received, as long as it is not done; sealed with the key of store.key_file
    attempts    INTEGER NOT NULL DEFAULT 0,
    since       INTEGER NOT NULL,                -- in this state
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX facility_state ON facility (state, id);
CREATE INDEX facility_code  ON facility (code) WHERE code IS NOT NULL;

-- Runs over the registry. The last sync is read_up_to of the last one that is done.
CREATE TABLE facility_run (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    state      TEXT    NOT NULL,                 -- running, interrupted, done, given-up
    whole      INTEGER NOT NULL,                 -- asks for all facilities, not for changed ones only
    actor      TEXT    NOT NULL,                 -- who began it
    since      INTEGER,                          -- asked for what changed since then
    read_up_to INTEGER,                          -- the registry's clock when the first page came
    next_page  TEXT,                             -- address of the page to go on with; none: from the beginning
    counts     TEXT    NOT NULL,                 -- JSON
    reason     TEXT,                             -- why it was interrupted
    next_at    INTEGER,                          -- when it goes on
    tries      INTEGER NOT NULL DEFAULT 0,       -- interruptions in a row
    started_at INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT;

-- What admins decided on facilities that have the name of another one in their district. Without a code: another facility.
CREATE TABLE facility_decision (
    national_id TEXT    PRIMARY KEY,
    code        TEXT,
    decided_at  INTEGER NOT NULL,
    decided_by  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- One run at a time, whoever does it.
CREATE TABLE facility_lease (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    owner TEXT    NOT NULL,
    until INTEGER NOT NULL
) STRICT;
