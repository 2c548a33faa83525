"""One module per dataset format, facts first."""
