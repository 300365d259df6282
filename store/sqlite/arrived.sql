-- How long a body is kept is counted from its arrival: the timestamp is the hub's, who could make it live for ever or not at all.
DROP INDEX body_by_time;
ALTER TABLE body ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;
UPDATE body SET arrived = timestamp;
CREATE INDEX body_by_arrival ON body(arrived);
