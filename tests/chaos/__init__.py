"""The proof that no message is lost or duplicated while the processes are killed: `make chaos`."""
