-- the keys that seal values, each sealed by the master key; new values are sealed with the newest
CREATE TABLE data_keys (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
INSERT INTO data_keys (id, wrapped, created_ms) SELECT '0', value, 0 FROM meta WHERE name = 'data_key';
DELETE FROM meta WHERE name = 'data_key';
