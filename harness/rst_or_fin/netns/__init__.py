"""The inside of the local runtime: what runs between its driver and the kernel.

A process of its own (`holder`) makes two network namespaces, wires them, starts the programs in them, and
hands open sockets out to the driver. It uses nothing but the standard library and what lies in `agents`,
because it must be up within milliseconds, without site-packages.
"""
