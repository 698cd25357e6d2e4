"""One file a command: connects the layers below, and prints. Imported only when it is called."""
