class ServiceUnavailable(Exception):
    """A server could not be found, installed or started; the text is one sentence for a person."""
