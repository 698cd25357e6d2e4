"""Random scenarios of the catalogue under random faults, each verdict held against a judge of its own."""
