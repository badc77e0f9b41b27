"""One node of a replicated key-value service. ../README.md tells what it answers over HTTP."""
