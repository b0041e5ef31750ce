-- rows of the audit stand in pages, so that a thousand queries cost a few rows of the database and not a thousand;
-- each line of a page is the hash of its row, a space and its event
CREATE TABLE audit_pages (
    first_id BIGINT NOT NULL PRIMARY KEY,
    rows_text TEXT NOT NULL
);
-- which pages have rows of a project
CREATE TABLE audit_page_projects (
    project_id TEXT NOT NULL,
    first_id BIGINT NOT NULL,
    PRIMARY KEY (project_id, first_id)
);
INSERT INTO audit_pages (first_id, rows_text) SELECT id, hash || ' ' || event FROM audit;
INSERT INTO audit_page_projects (project_id, first_id) SELECT project_id, id FROM audit;
DROP TABLE audit;
