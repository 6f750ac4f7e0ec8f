// Placed before its contents so that the package resolves.
