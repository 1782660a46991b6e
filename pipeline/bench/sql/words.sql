-- 4,096 pieces of speech of $words words. Two of them make a text, so that few texts are the same. What the patterns of
-- the benchmarks look for is as rare as in the STAR dialogues, where 8 % of the turns match one of them.
CREATE OR REPLACE TEMP TABLE vocabulary AS
SELECT row_number() OVER () AS number, word
FROM (SELECT unnest([
    'the', 'for', 'your', 'was', 'sent', 'on', 'and', 'we', 'can', 'see', 'that', 'it', 'has', 'not', 'been', 'paid',
    'yet', 'would', 'you', 'like', 'to', 'have', 'copy', 'by', 'email', 'or', 'shall', 'I', 'with', 'from', 'billing',
    'please', 'line', 'one', 'moment', 'while', 'look', 'at', 'account', 'number', 'calling', 'is', 'there', 'anything',
    'else', 'do', 'appointment', 'afternoon', 'doctor', 'address', 'name', 'date', 'yes', 'no', 'maybe', 'okay', 'right',
    'sure', 'of', 'course', 'good', 'morning', 'evening', 'bye', 'minutes', 'long', 'time', 'hear', 'this', 'again',
    'help', 'me', 'what', 'when', 'much', 'does', 'cost', 'thirty', 'discount', 'offer', 'month', 'year', 'service',
    'phone', 'internet', 'slow', 'since', 'yesterday', 'visit', 'reset', 'login', 'website', 'app', 'update', 'version',
    'screen'
]) AS word);

CREATE OR REPLACE TEMP TABLE telling AS
SELECT row_number() OVER () AS number, word
FROM (SELECT unnest([
    'invoice', 'order', 'twenty percent', 'twenty euros', 'technician', 'router', 'cancel my', 'contract', 'very sorry',
    'thank you', 'birth', 'password', 'passcode', 'today', 'tomorrow', 'insurance card', 'street', 'house', 'how much',
    'problem again', 'connection', 'connect', 'somebody', 'Monday', 'press the button', 'another device', 'new device',
    'hold the line', 'waiting long', 'waiting very'
]) AS word);

CREATE OR REPLACE TEMP TABLE pieces AS
WITH drawn AS (
    SELECT piece, place, hash(piece, place) AS chance, hash(place, piece) % 200 = 0 AS tells
    FROM range(4096) AS pieces(piece), range($words) AS places(place)
),

said AS (
    SELECT
        piece,
        place,
        tells,
        1 + (chance % (SELECT count(*) FROM vocabulary))::BIGINT AS number,
        1 + (chance % (SELECT count(*) FROM telling))::BIGINT AS telling_number
    FROM drawn
)

SELECT piece, string_agg(if(tells, t.word, v.word), ' ' ORDER BY place) AS text
FROM said
JOIN vocabulary AS v USING (number)
JOIN telling AS t ON t.number = telling_number
GROUP BY piece;
