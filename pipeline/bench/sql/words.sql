-- 4,096 pieces of speech of $words words, from a vocabulary in which what the patterns of the benchmarks look for is as
-- rare as in speech. Two of them make a text, so that few texts are the same.
CREATE OR REPLACE TEMP TABLE vocabulary AS
SELECT row_number() OVER () AS number, word
FROM (SELECT unnest([
    'the', 'invoice', 'for', 'your', 'order', 'was', 'sent', 'on', 'Monday', 'and', 'we', 'can', 'see', 'that', 'it',
    'has', 'not', 'been', 'paid', 'yet', 'would', 'you', 'like', 'to', 'have', 'another', 'copy', 'by', 'email', 'or',
    'shall', 'I', 'connect', 'with', 'somebody', 'from', 'billing', 'please', 'hold', 'line', 'one', 'moment', 'while',
    'look', 'at', 'account', 'number', 'thank', 'calling', 'today', 'is', 'there', 'anything', 'else', 'do', 'appointment',
    'tomorrow', 'afternoon', 'doctor', 'insurance', 'card', 'address', 'street', 'house', 'name', 'birth', 'date',
    'yes', 'no', 'maybe', 'okay', 'right', 'sure', 'of', 'course', 'good', 'morning', 'evening', 'bye', 'minutes',
    'waiting', 'long', 'time', 'very', 'sorry', 'hear', 'this', 'problem', 'again', 'help', 'me', 'what', 'when', 'how',
    'much', 'does', 'cost', 'euros', 'twenty', 'thirty', 'percent', 'discount', 'offer', 'new', 'contract', 'month',
    'year', 'service', 'phone', 'internet', 'connection', 'slow', 'since', 'yesterday', 'technician', 'visit', 'router',
    'reset', 'password', 'login', 'website', 'app', 'update', 'version', 'device', 'screen', 'button', 'press'
]) AS word);

CREATE OR REPLACE TEMP TABLE pieces AS
WITH drawn AS (
    SELECT piece, place, 1 + (hash(piece, place) % size)::BIGINT AS number
    FROM range(4096) AS pieces(piece), range($words) AS places(place), (SELECT count(*) AS size FROM vocabulary)
)
SELECT piece, string_agg(word, ' ' ORDER BY place) AS text
FROM drawn JOIN vocabulary USING (number)
GROUP BY piece;
