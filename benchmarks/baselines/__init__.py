"""What the gateway is compared with, and what it asks: the least that a server can do. Served by `__main__`."""
