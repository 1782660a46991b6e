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
    (5, '%.dtmf', 'part'),
    (6, '%.sms', 'part'),
    (7, 'tool.%', 'part'),
    (8, 'session.%', 'part'),
    (9, 'state.%', 'part'),
    (10, 'transfer.%', 'part'),
    (11, 'call.%', 'part'),
    (12, 'escalation.%', 'part'),
    (13, 'model.call', 'part'),
    (14, 'call_intelligence.%', 'about'),
    (15, 'metric.%', 'about'),
    (16, 'voice_judge.%', 'about'),
    (17, 'survey.%', 'about'),
    (18, 'score.%', 'about'),
    (19, 'scorecard.%', 'about'),
    (20, 'label.%', 'about'),
    (21, 'outcome.%', 'about'),
    (22, 'feedback.%', 'about'),
    (23, 'rating.%', 'about'),
    (24, 'review.%', 'about'),
    (25, 'evaluation.%', 'about'),
    (26, 'judgement.%', 'about'),
    (27, 'judgment.%', 'about'),
    (28, 'annotation.%', 'about'),
    (29, 'analysis.%', 'about'),
    (30, 'qa.%', 'about'),
    (31, 'contact_lens.%', 'about'),
    (32, 'profile.%', 'about'),
    (33, '%', 'beside')
) AS listed (place, pattern, kind);
