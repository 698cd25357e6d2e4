"""Files of this project: evidence folders, and scenario files."""
