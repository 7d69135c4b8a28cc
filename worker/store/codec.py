"""The JSON columns that hold core values, as text in and out: numbers stay exact."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from worker.core.coalescing import Change, Flight
from worker.core.facets import Value
from worker.core.issues import Issue
from worker.core.ordering import History
from worker.core.outcomes import Fate

_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_change: Final = msgspec.json.Decoder(Change, float_hook=Decimal)
_flight: Final = msgspec.json.Decoder(Flight, float_hook=Decimal)
_versions: Final = msgspec.json.Decoder(dict[str, History])
_confirmed: Final = msgspec.json.Decoder(dict[str, Value], float_hook=Decimal)
_issues: Final = msgspec.json.Decoder(tuple[Issue, ...])
_fates: Final = msgspec.json.Decoder(dict[str, Fate])

change = _change.decode
flight = _flight.decode
versions = _versions.decode
confirmed = _confirmed.decode
issues = _issues.decode
fates = _fates.decode


def text(value: object) -> str:
    """Return *value* as JSON text."""
    return _encoder.encode(value).decode()


def lines(values: Sequence[object]) -> str:
    """Return *values* as lines of JSON, which has no newline outside its texts and escapes it in them: a column as one text."""
    return _encoder.encode_lines(values)[:-1].decode()
