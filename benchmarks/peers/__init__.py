"""Other gateways, each in an environment of its own, pinned by hash: what the gateway is compared with."""
