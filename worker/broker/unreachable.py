"""What pika raises when a broker cannot be used."""

from typing import Final

from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

UNREACHABLE: Final = (AMQPError, AMQPConnectorException, OSError)
"""A broker that takes the connection and then says nothing ends in an AMQPConnectorException, which is no AMQPError."""
