"""RST or FIN: replay how a TCP connection ends, capture it, and judge it from the evidence."""

__version__ = "0.1.0"
