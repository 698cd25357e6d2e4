"""What runs in a kernel image: a virtual machine that answers in its container's place.

Stdlib only, no import from the rest: these files are copied into images, for the Python of its Debian (3.13).
"""
