"""The closed forms the project is held to, as one registry: `tinygen verify` prints it, the tests run it."""
