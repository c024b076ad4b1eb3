-- Whose contact it is already: asked before each match, and it must not read all links.
CREATE INDEX link_contact ON link (contact_id);
