"""Token counts without a tokenizer: an estimate that errs on the high side.

Tokenizers differ by model and are large downloads. English text has about 4 characters a token in every current one;
digits stand in tokens of at most three, marks mostly alone, and other scripts take 0.5 to 2 tokens a character.
Bills use the server's own count, never this one; `ledger.calibration` corrects it by what an endpoint has billed.
"""

from __future__ import annotations

import re

_ASCII_CHARACTERS = 3.6  # a token; a little under the usual 4, so that plans are rather too dear than too cheap
_MARKS = re.compile(r"[0-9{}\[\]\":,.;/\\<>_=+*#-]")
_MARK_TOKENS = 0.5
_OTHER_TOKENS = 1.1
_MESSAGE_TOKENS = 8  # role and separators around one message


def estimate_tokens(text: str) -> int:
    """About how many tokens a model counts for the text."""
    marks = len(_MARKS.findall(text))
    ascii_count = len(text) if text.isascii() else sum(1 for character in text if character < "\x80")
    letters = max(ascii_count - marks, 0)
    return int(letters / _ASCII_CHARACTERS + marks * _MARK_TOKENS + (len(text) - ascii_count) * _OTHER_TOKENS) + 1


def estimate_messages(contents: list[str]) -> int:
    """About how many input tokens the messages of one request count."""
    return sum(estimate_tokens(content) + _MESSAGE_TOKENS for content in contents)
