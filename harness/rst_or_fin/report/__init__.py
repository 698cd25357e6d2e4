"""Evidence and verdicts as text. Opens no sockets, judges nothing."""
