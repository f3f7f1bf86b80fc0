"""One file per outside thing: files, git, tables, model. They do not import one another."""
