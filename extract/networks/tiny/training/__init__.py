"""How the shipped tiny networks were trained (serves `make weights` alone)."""
