"""Capture files to TCP segments: formats, compression, link layers, tunnels, fragments, checksums.

`reading.read` is the door for bytes, `opening.open_captures` the one for files. All but `opening` is pure.
"""
