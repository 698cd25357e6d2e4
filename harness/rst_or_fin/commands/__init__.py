"""One file a command: wiring between the rooms, and what is printed. Imported only when it is called."""
