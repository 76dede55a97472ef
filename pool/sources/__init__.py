"""Where the files of a store are read from: a folder, an archive, an address."""
