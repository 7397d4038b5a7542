"""All input and output that is not the data plane's: files, servers, the running pipeline and its monitor."""
