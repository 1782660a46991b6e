-- A turn as the end of a segment; offsets count from the start of its conversation.
CREATE OR REPLACE TEMP MACRO segment_of(turn, began_at) AS
    CASE WHEN turn IS NOT NULL THEN {
        'id': turn.event_id,
        'index': turn.index,
        'text': turn.text,
        'start_offset_ms': epoch_ms(turn.started_at) - epoch_ms(began_at),
        'end_offset_ms': epoch_ms(turn.ended_at) - epoch_ms(began_at)
    } END;

-- Values of the definition versions in force, those of participants, turns and repeats too, with what its conversation says about it.
CREATE OR REPLACE TEMP MACRO values_in_force(workspace) AS TABLE
SELECT
    v.*,
    c.channel,
    c.direction,
    c.run_id AS conversation_run_id,
    c.session_id,
    v.participant IS NULL AND v.segment_from IS NULL AND v.segment_to IS NULL AND v.sample_index = 0 AS whole
FROM metric_values AS v
SEMI JOIN metric_definitions AS d
    ON d.workspace_id = v.workspace_id
    AND d.key = v.metric_key
    AND d.version = v.definition_version
    AND d.valid_to IS NULL
LEFT JOIN conversations AS c
    ON c.workspace_id = v.workspace_id AND c.conversation_id = v.entity_id AND v.entity_type = 'conversation'
WHERE v.workspace_id = workspace;
