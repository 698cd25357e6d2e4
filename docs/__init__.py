"""The documentation: pages, what fills their marked blocks, and what keeps them true."""
