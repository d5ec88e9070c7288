"""Load measurements: what one machine bears, each figure beside a limit of the same run."""
