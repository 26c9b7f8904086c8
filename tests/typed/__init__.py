"""Never run: programs as users write them, which `make check` gives to both type checkers."""
