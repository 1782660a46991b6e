"""Every exception of the project, in one tree.

MetricStoreError
├── UserError                  what the user can mend; shown as one line, exit code 2
│   ├── SettingsError          a setting is missing or wrong
│   ├── DefinitionError        a metric definition or source mapping is wrong
│   │   └── DefinitionsRefusedError   several at once, with every problem
│   ├── ConflictError          somebody else changed the same thing first
│   ├── UnknownMetricError     no definition has that key
│   ├── UnknownConversationError
│   ├── NotFoundError          anything else that was named and does not exist
│   ├── NotBegunError          an hour that was named lies in the future
│   ├── ExpressionError        a filter, formula, pattern or path cannot be accepted
│   ├── SourceError            a landing folder, file or archive cannot be read
│   ├── StoreUnavailableError  the database file cannot be opened, is full, or is not ours
│   ├── TooManyRequestsError   one caller asks for more at once than its share
│   ├── RequestInUseError      a request that may be done once only is being done
│   ├── RequestReusedError     the key of such a request came with another one
│   ├── JudgeError             a model endpoint is misconfigured
│   └── EvaluationFailedError  a model was asked and gave no usable answer
└── InternalError              a bug: an invariant does not hold
    └── LedgerError            eligible is not the sum of its states
"""

from __future__ import annotations

from collections.abc import Sequence


class MetricStoreError(Exception):
    """Base of every exception this package raises on purpose."""


class UserError(MetricStoreError):
    """Something the user can mend. The message says what was found, where, and what to do next."""


class SettingsError(UserError):
    """A setting is missing or has a value that cannot be used."""


class DefinitionError(UserError):
    """A metric definition or a source mapping cannot be accepted."""


class DefinitionsRefusedError(DefinitionError):
    """Definitions that were sent together and cannot be accepted.

    Attributes:
        problems: each says where it is, what stands there and what to write instead.
    """

    def __init__(self, problems: Sequence[object]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class ConflictError(UserError):
    """Somebody else changed the same thing first."""


class UnknownMetricError(UserError):
    """No definition in the catalog has the given key."""


class UnknownConversationError(UserError):
    """The store holds no conversation with the given id."""


class NotFoundError(UserError):
    """A run, revision, key or webhook that was named does not exist."""


class NotBegunError(UserError):
    """An hour that was to be run lies in the future."""


class ExpressionError(UserError):
    """A filter, formula, pattern or JSON path is malformed or uses something that is not allowed."""


class SourceError(UserError):
    """A landing folder, file or archive cannot be read."""


class StoreUnavailableError(UserError):
    """The database cannot be opened or written: missing, locked, full, not permitted or not ours."""


class TooManyRequestsError(UserError):
    """One caller asks for more at once than its share. Asking again later helps."""


class RequestInUseError(UserError):
    """A request that may be done once only has begun and is not answered."""


class RequestReusedError(UserError):
    """The key of a request that may be done once only came with another request."""


class JudgeError(UserError):
    """A model endpoint is missing, refuses the key or cannot serve the request at all."""


class EvaluationFailedError(UserError):
    """A model was asked about one conversation, on demand, and no value came of it. Asking again may help."""


class InternalError(MetricStoreError):
    """An invariant of the program does not hold. Please report it."""


class LedgerError(InternalError):
    """The states of a run do not add up to what was eligible."""
