-- Who sent it, what a repetition must agree in, and since when it is not known whether the peer has it.
ALTER TABLE message ADD COLUMN sender TEXT;             -- name of the client that posted it; none: polled, made here, or older than this column
ALTER TABLE message ADD COLUMN bytes INTEGER;           -- of the document as received, as long as that is stored; none: older than this column
ALTER TABLE message ADD COLUMN agrees TEXT;             -- digests of what a repetition must agree in
ALTER TABLE message ADD COLUMN conflict_of INTEGER;     -- the message whose key it came with, though it is another document
ALTER TABLE message ADD COLUMN uncertain_since INTEGER; -- when the outcome of an attempt was first unknown

-- A delivered message that is no longer stored still tells a repetition from another document.
ALTER TABLE forgotten ADD COLUMN agrees TEXT;

-- The registry's own number of the facility, as last read.
ALTER TABLE facility ADD COLUMN national_id TEXT;

-- What a client has stored here, and how many dead letters of it there are: read from the index alone.
CREATE INDEX message_sender ON message (sender, id, bytes) WHERE sender IS NOT NULL AND bytes IS NOT NULL;
CREATE INDEX message_dead   ON message (sender) WHERE state = 'dead' AND sender IS NOT NULL;
-- Other documents that came with a message's key.
CREATE INDEX message_conflict ON message (conflict_of) WHERE conflict_of IS NOT NULL;
