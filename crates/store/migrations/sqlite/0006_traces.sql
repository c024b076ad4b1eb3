ALTER TABLE message ADD COLUMN traceparent TEXT; -- W3C trace context in which it came in: its delivery goes on in the same trace
