"""Tests of what takes time or memory at its worst: large inputs, hostile inputs."""
