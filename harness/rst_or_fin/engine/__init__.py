"""The Docker Engine: its client, images, and kernels that boot in a container."""
