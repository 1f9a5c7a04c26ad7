"""A stand-in for applications, to rehearse with: a counter for documents, or a page. No product.

The counter keeps documents in the object stores that its settings name, its own site's first.
Told to stop, or while the file `drain` stands in its runtime directory, it calls itself unhealthy
and still answers: the reverse proxies turn to others, and no request is lost.
"""
