-- sources of the workspace belong to a project that has no name that anybody can give: their names are unique among
-- themselves, and `active_sources` holds which of them is active where no project says otherwise
INSERT INTO projects (id, name, created_ms) VALUES ('workspace', '', 0);
