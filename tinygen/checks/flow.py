"""Change of variables: closed forms."""
