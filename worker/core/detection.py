"""What a carrier profile reads from a tracking number alone."""

import msgspec


class Detection(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The answer of one profile to one number.

    `carrier` None: the number names none, and the mapping decides. `method` "": the carrier's rule says no method.
    `preserves_method`: a method that was mapped for the very same carrier stays (R111, A4). `candidates`: carriers that could
    claim the number where none is named. `notes`: whole sentences about what was seen, for the trace.
    """

    profile: str
    rule: str | None = None
    carrier: str | None = None
    method: str = ""
    preserves_method: bool = False
    candidates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def agrees_with(self, other: "Detection") -> bool:
        """Whether both say the same of a number: carrier and method."""
        return (self.carrier, self.method) == (other.carrier, other.method)
