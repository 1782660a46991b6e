"""What can be asked of a published snapshot beyond stored period rows; all take a connection to read from."""
