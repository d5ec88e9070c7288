"""The development stack: real servers out of wheels, and the processes of `make run`."""
