"""Finding personal data in text by its form. What is found is replaced by a word for its kind; nothing remembers it.

| kind | found by | replaced by |
|---|---|---|
| telephone numbers | their form, and libphonenumber's plans of every country | `[phone number]` |
| cards | 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1) | `[card number]` |
| accounts | IBAN with its check digits (ISO 13616) | `[IBAN]` |
| e-mail | written, and spoken in eight languages | `[email]` |
| addresses of computers | IPv4 and IPv6 | `[ip address]` |
| URLs | those with a password or a token | `[url]` |
| national ids | pattern and, where there is one, check digit | `[national id]` |
| spelled digits | seven or more digits in words of eight languages | `[number]` |
| digits over turns | what one speaker continues in the next turn, if together it is one of the above | as above |
"""

from pipeline.redaction.forms import Forms, redact_forms, redact_turns

__all__ = ["Forms", "redact_forms", "redact_turns"]
