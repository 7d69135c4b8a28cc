class ServiceUnavailable(Exception):  # noqa: N818 - it is a state of the machine, told in one sentence, not a mistake in the code
    """A server could not be found, installed or started; the text is one sentence for a person."""
