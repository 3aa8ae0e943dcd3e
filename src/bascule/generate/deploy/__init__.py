"""Where the roles run: Compose, Kubernetes, a push gateway for batch jobs."""
