"""An OpenAI-compatible server with a small deterministic model, which says that it is simulated."""
