-- The audit data base of fluent.conf: at least once means that an entry may come twice; its record id is one.
CREATE TABLE affiant_entries (
    record     text,      -- the record id; NULL of a gap
    journal    text,
    sequence   bigint,
    leaf       text,      -- hex: the entry's leaf hash in the sealed tree
    kind       text NOT NULL,
    service    text,
    digest     text,
    slot       text,
    status     integer,
    committing bigint,    -- ns since 1970 UTC
    first      bigint,    -- of a gap: these sequences of the journal will not come
    last       bigint
);
CREATE INDEX affiant_entries_record ON affiant_entries (record);

-- What came, each once.
CREATE VIEW affiant_records AS
SELECT DISTINCT ON (record) * FROM affiant_entries WHERE record IS NOT NULL ORDER BY record;

-- What is missing: sequences between the first and the last that came, which no gap explains.
CREATE VIEW affiant_missing AS
SELECT bounds.journal, wanted AS sequence
FROM (SELECT journal, min(sequence) AS low, max(sequence) AS high FROM affiant_records GROUP BY journal) AS bounds,
     generate_series(bounds.low, bounds.high) AS wanted
WHERE NOT EXISTS (SELECT 1 FROM affiant_records AS had WHERE had.journal = bounds.journal AND had.sequence = wanted)
  AND NOT EXISTS (SELECT 1 FROM affiant_entries AS gap
                  WHERE gap.kind = 'not_mirrored' AND gap.journal = bounds.journal
                    AND wanted BETWEEN gap.first AND gap.last);
