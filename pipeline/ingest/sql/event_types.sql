-- What an event is to its conversation, by its type: the first pattern that fits. A mapping, or the event itself, says
-- otherwise with `about`: true or false.
--   part    it happens in the conversation: start, end and silence are taken from it
--   beside  it is told of a conversation while that goes on: its instant counts only where nobody speaks
--   about   it is said of the conversation from outside, at any time: it stretches nothing
CREATE OR REPLACE TEMP TABLE event_kind AS
FROM (VALUES
    (1, 'system.turn', 'beside'),  -- a prompt is in place before the call begins
    (2, '%.turn', 'part'),
    (3, '%.speech', 'part'),
    (4, '%.silence', 'part'),
    (5, '%survey%', 'about'),
    (6, '%feedback%', 'about'),
    (7, '%csat%', 'about'),
    (8, '%.rating', 'about'),
    (9, '%.rated', 'about'),
    (10, 'tool.%', 'part'),
    (11, 'session.%', 'part'),
    (12, 'state.%', 'part'),
    (13, 'transfer.%', 'part'),
    (14, 'call.%', 'part'),
    (15, 'escalation.%', 'part'),
    (16, 'model.call', 'part'),
    (17, 'participant.%', 'part'),
    (18, 'agent.%', 'part'),
    (19, 'user.%', 'part'),
    (20, 'operator.%', 'part'),
    (21, 'call_intelligence.%', 'about'),
    (22, 'metric.%', 'about'),
    (23, 'voice_judge.%', 'about'),
    (24, 'score.%', 'about'),
    (25, 'scorecard.%', 'about'),
    (26, 'label.%', 'about'),
    (27, 'outcome.%', 'about'),
    (28, 'rating.%', 'about'),
    (29, 'review.%', 'about'),
    (30, 'evaluation.%', 'about'),
    (31, 'judgement.%', 'about'),
    (32, 'judgment.%', 'about'),
    (33, 'judge.%', 'about'),
    (34, 'annotation.%', 'about'),
    (35, 'analysis.%', 'about'),
    (36, 'qa.%', 'about'),
    (37, 'contact_lens.%', 'about'),
    (38, 'profile.%', 'about'),
    (39, '%', 'beside')
) AS listed (place, pattern, kind);
