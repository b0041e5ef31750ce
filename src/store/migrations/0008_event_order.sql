-- events have an order of their own, so that a posted event is no change of a definition: row 2 counts events; what was
-- posted before stands below it
INSERT INTO changes (id, sequence) SELECT 2, sequence FROM changes WHERE id = 1;
