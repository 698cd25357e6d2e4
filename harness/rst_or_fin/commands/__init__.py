"""The commands, each with its options: what a command takes, prints and writes. No rules."""
