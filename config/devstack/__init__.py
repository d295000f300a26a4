"""The development stack: embedded Postgres and Valkey servers, the process runner of `make run`, demo.env."""
