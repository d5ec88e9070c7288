"""Load measurements: what one machine can do, each figure next to a limit measured in the same
run."""
