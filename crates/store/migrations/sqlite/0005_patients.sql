-- Contacts of CHT that may be an insuree: a person decides.
CREATE TABLE proposal (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    insuree_uuid TEXT    NOT NULL,
    contact_id   TEXT    NOT NULL,
    kind         TEXT    NOT NULL,               -- similar, several
    score        INTEGER NOT NULL,               -- how well it fits, in thousandths
    why          TEXT    NOT NULL,               -- what agrees and what does not; no personal data
    state        TEXT    NOT NULL,               -- open, confirmed, refused, closed
    insuree      BLOB,                           -- both sides as JSON, as long as it is open; sealed with the key of store.key_file
    contact      BLOB,
    created_at   INTEGER NOT NULL,
    decided_at   INTEGER,
    decided_by   TEXT,
    UNIQUE (insuree_uuid, contact_id)
) STRICT;

CREATE INDEX proposal_state ON proposal (state, id);

-- Messages that wait for a decision on their insuree.
CREATE TABLE proposal_wait (
    insuree_uuid TEXT    NOT NULL,
    message_id   INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    PRIMARY KEY (insuree_uuid, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX proposal_wait_message ON proposal_wait (message_id);

-- Which CHT place is which openIMIS location, as imported.
CREATE TABLE place (
    location_code TEXT    PRIMARY KEY,
    place_id      TEXT    NOT NULL,
    imported_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
