"""A user's Jupyter server: JupyterHub's own; as a module of this package it starts faster."""

from importlib import import_module

if __name__ == "__main__":
    # The package itself has left out the slow imports by now.
    import_module("jupyterhub.singleuser").main()
