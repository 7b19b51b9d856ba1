"""`python -m flows.backup backup | restore`: what servers, or commands without any, keep on one machine."""
