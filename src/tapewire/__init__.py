"""One streaming engine, with SDKs for betting and trading venues on it."""

__version__ = "0.1.0"
__all__ = ["__version__"]
