-- events about changed secrets, kept for minutes, so that every replica hears of them; id is the sequence of the change
CREATE TABLE secret_events (
    id BIGINT NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL,
    event TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
