"""Makes the modules of this folder importable by all tests (`from servers import Site`)."""
