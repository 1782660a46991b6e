"""Token counts without a tokenizer: an estimate that errs on the high side.

Tokenizers differ by model and are large downloads. English text has about 4 characters a token in every current one,
and other scripts between 0.5 and 1.5 tokens a character. Bills use the server's own count, never this one.
"""

from __future__ import annotations

_ASCII_CHARACTERS = 3.6  # a token; a little under the usual 4, so that plans are rather too dear than too cheap
_MESSAGE_TOKENS = 8  # role and separators around one message


def estimate_tokens(text: str) -> int:
    """About how many tokens a model counts for the text."""
    ascii_count = len(text) if text.isascii() else sum(1 for character in text if character < "\x80")
    return int(ascii_count / _ASCII_CHARACTERS + (len(text) - ascii_count)) + 1


def estimate_messages(contents: list[str]) -> int:
    """About how many input tokens the messages of one request count."""
    return sum(estimate_tokens(content) + _MESSAGE_TOKENS for content in contents)
