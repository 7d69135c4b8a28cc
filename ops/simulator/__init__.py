"""Amazon's Selling Partner API on localhost: strict, in memory, on a clock that can run fast.

It shares no code with the worker, so that the two cannot be wrong together; both read Amazon's
published models in `schema/amazon`. One file per API (`feeds.py`, `listings_items.py`, ...), each a
table of operations; a new API is a new file and a line in `app.py`.
"""
