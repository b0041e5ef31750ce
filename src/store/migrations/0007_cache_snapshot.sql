-- the last good values of secrets, sealed, for a restart while their source is out of reach
CREATE TABLE cache_snapshot (
    id TEXT NOT NULL PRIMARY KEY,
    source_id TEXT NOT NULL,
    source_version BIGINT NOT NULL,
    secret TEXT NOT NULL,
    pin TEXT NOT NULL,
    about TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    fetched_ms BIGINT NOT NULL
);
