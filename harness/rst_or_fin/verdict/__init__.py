"""How a connection ended, by the capture and the witnesses, and whether that was expected. Pure."""
