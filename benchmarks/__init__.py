"""Side by side against peers, in one run: `make bench`. How to read it, and its method: README.md beside this file."""
