"""Methods in which networks that are trained together teach one another."""
