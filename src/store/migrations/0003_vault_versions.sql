-- earlier values of the vault's secrets; the current value of each stays in vault_secrets
ALTER TABLE vault_secrets ADD COLUMN version_created_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vault_secrets ADD COLUMN version_created_by TEXT NOT NULL DEFAULT '';
-- the version that was current before; empty when there is none
ALTER TABLE vault_secrets ADD COLUMN previous_version_id TEXT NOT NULL DEFAULT '';
UPDATE vault_secrets SET version_created_ms = updated_ms;

CREATE TABLE vault_versions (
    source_id TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (source_id, name, version_id)
);
-- how a change of the data key goes through them
CREATE INDEX vault_versions_by_place ON vault_versions (source_id, (name || '/' || version_id));
