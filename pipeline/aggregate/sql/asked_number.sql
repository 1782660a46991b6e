-- The numbers of one span that are needed one by one, of just the metrics that ask for them.
INSERT INTO asked_number BY NAME
SELECT plan_id, tick, traffic, service_id, number
FROM entered
SEMI JOIN (FROM plan WHERE needs_numbers) USING (plan_id)
WHERE number IS NOT NULL;
