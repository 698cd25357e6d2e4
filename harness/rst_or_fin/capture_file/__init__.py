"""Capture files to TCP segments: formats, compression, link layers, tunnels, fragments, checksums.

Call `opening.open_captures` for files, `reading.CaptureReading` for bytes. Everything but `opening` is pure.
"""
