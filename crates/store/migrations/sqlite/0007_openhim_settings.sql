-- What OpenHIM's console said last, so that a start without its core goes on with that.
CREATE TABLE openhim_settings (
    urn      TEXT PRIMARY KEY,
    settings TEXT NOT NULL -- JSON
) STRICT;
