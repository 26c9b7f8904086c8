"""One port of this machine: connections, HTTP, the sandbox's own endpoints, faults on sockets."""
