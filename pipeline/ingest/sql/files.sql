-- The rows of the files of this chunk, finished or not, in place of earlier ones; an earlier failure is forgotten.
DELETE FROM ingested_files
WHERE workspace_id = $workspace_id
  AND (file_id IN (SELECT file_id FROM files) OR (status = 'failed' AND url IN (SELECT url FROM files)));

INSERT INTO ingested_files BY NAME
SELECT $workspace_id AS workspace_id, * FROM files;
