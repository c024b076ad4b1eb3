-- Transactions of OpenHIM that are to be told what became of their message; gone when they were told.
CREATE TABLE openhim_report (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id     INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    transaction_id TEXT    NOT NULL,
    told           TEXT,                         -- the state that it was told: a dead letter may still be delivered
    tries          INTEGER NOT NULL DEFAULT 0,
    created_at     INTEGER NOT NULL,
    due_at         INTEGER NOT NULL,
    UNIQUE (message_id, transaction_id)
) STRICT;

CREATE INDEX openhim_report_due ON openhim_report (due_at, id);
