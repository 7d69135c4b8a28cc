"""The exceptions that cross a module's border, and what each one means to the caller."""

from datetime import datetime


class FeedlineError(Exception):
    """A fault that a person can read as it stands; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(FeedlineError):
    """Wrong settings or wrong usage: the work never began."""

    exit_code = 2


class AmazonError(Exception):
    """A call to Amazon that did not end well. Never holds a token, a body or a presigned URL."""

    def __init__(self, operation: str, reason: str, *, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(f"{operation}: {reason}" + (f" (HTTP {status})" if status else ""))
        self.operation, self.reason, self.status, self.request_id = operation, reason, status, request_id


class Later(AmazonError):
    """The usage plan leaves no call now, or another worker is renewing the token. Nothing was sent, or Amazon said 429.

    `at` is when a call may succeed; nothing is gained by trying before.
    """

    def __init__(self, operation: str, at: datetime, reason: str = "quota") -> None:
        super().__init__(operation, reason)
        self.at = at


class NotSent(AmazonError):
    """The call surely had no effect: the connection was never made."""


class Unclear(AmazonError):
    """Sent, and the answer was lost or says 5xx: the call may or may not have had its effect."""


class Refused(AmazonError):
    """Amazon answered 4xx: no effect, and the same call will be refused again. `code` is Amazon's error code."""

    def __init__(self, operation: str, reason: str, *, code: str, status: int, request_id: str | None = None) -> None:
        super().__init__(operation, f"{code}: {reason}", status=status, request_id=request_id)
        self.code = code


class NotAuthorized(AmazonError):
    """The seller's authorisation or the application's secret is gone: a person must act, retrying is useless."""
