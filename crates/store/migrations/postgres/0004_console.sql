-- With the kind in it the counts by state and kind are read from the index alone.
DROP INDEX message_state;
CREATE INDEX message_state ON message (state, id) INCLUDE (kind);

-- An insuree's claims.
CREATE INDEX message_insuree ON message (insuree_uuid) WHERE insuree_uuid IS NOT NULL;
