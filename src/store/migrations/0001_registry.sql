-- one SQL text for SQLite and PostgreSQL: TEXT, BIGINT, BYTEA; times are epoch milliseconds
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO meta (name, value) VALUES ('audit_head', '');

CREATE TABLE changes (
    id BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL
);
INSERT INTO changes (id, sequence) VALUES (1, 0);

CREATE TABLE projects (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL
);

CREATE TABLE sources (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    version BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE active_sources (
    project_id TEXT NOT NULL REFERENCES projects (id),
    environment TEXT NOT NULL,
    source_id TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, environment)
);

CREATE TABLE vault_secrets (
    id TEXT NOT NULL PRIMARY KEY,
    source_id TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (source_id, name)
);

CREATE TABLE resources (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    version BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE resource_history (
    resource_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    definition TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    changed_ms BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (resource_id, version)
);

CREATE TABLE resource_tests (
    id TEXT NOT NULL PRIMARY KEY,
    resource_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    report TEXT NOT NULL,
    tested_ms BIGINT NOT NULL
);
CREATE INDEX resource_tests_by_resource ON resource_tests (resource_id, id);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    last4 TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    last_used_ms BIGINT
);

CREATE TABLE audit (
    id BIGINT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    event TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_project ON audit (project_id, id);
