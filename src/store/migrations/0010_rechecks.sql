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
-- what webhooks are still to be told
CREATE TABLE webhook_messages (
    id TEXT NOT NULL PRIMARY KEY,
    resource_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    body TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_ms BIGINT NOT NULL
);
CREATE INDEX webhook_messages_by_due ON webhook_messages (due_ms);
-- 1 for results of the schedule, 0 for those that somebody asked for
ALTER TABLE resource_tests ADD COLUMN scheduled BIGINT NOT NULL DEFAULT 0;
