"""The proof that no message is lost or doubled while the processes are killed: `make chaos`."""
