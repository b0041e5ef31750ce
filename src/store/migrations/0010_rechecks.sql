-- re-checks of resources on a schedule: when each is due, what is known of the resource's health, and what its webhook
-- last answered; whoever moves `claims` on has the work
CREATE TABLE rechecks (
    resource_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- that of the definition at the last claim
    version BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    claims BIGINT NOT NULL,
    health TEXT NOT NULL,
    delivery TEXT NOT NULL,
    PRIMARY KEY (resource_id, environment)
);
CREATE INDEX rechecks_by_due ON rechecks (due_ms);
-- what webhooks are still to be told
CREATE TABLE webhook_messages (
    id TEXT NOT NULL PRIMARY KEY,
    resource_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- that of the definition, and its webhook: who holds an older definition waits, and to another URL nothing is sent
    version BIGINT NOT NULL,
    webhook TEXT NOT NULL,
    body TEXT NOT NULL,
    written_ms BIGINT NOT NULL,
    -- whoever moves it on sends the message, until due_ms
    tries BIGINT NOT NULL,
    due_ms BIGINT NOT NULL
);
CREATE INDEX webhook_messages_by_due ON webhook_messages (due_ms);
-- 1 for results of the schedule, 0 for those that somebody asked for
ALTER TABLE resource_tests ADD COLUMN scheduled BIGINT NOT NULL DEFAULT 0;
