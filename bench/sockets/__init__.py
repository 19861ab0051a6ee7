"""The product as it is served: processes of its own, and sockets between them."""
