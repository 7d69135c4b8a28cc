"""`Amazon`: the one way to SP-API. One file an API, one gateway under them all."""

from worker.amazon.documents import Documents
from worker.amazon.feeds import Feeds
from worker.amazon.listings import Listings
from worker.amazon.orders import Orders
from worker.amazon.product_types import ProductTypes
from worker.amazon.reports import Reports
from worker.amazon.sellers import Sellers


class Amazon(Feeds, Documents, Listings, Orders, ProductTypes, Reports, Sellers):
    """One a process: it keeps the connections, and nothing else, in memory."""
