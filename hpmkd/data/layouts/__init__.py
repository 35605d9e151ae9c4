"""How data sets lie on disks: a module per layout, and one that finds out which it is."""
