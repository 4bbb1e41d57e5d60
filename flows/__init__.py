"""The flows of speechpipe: thin wrappers in Prefect around its pipeline. Nothing here is imported until it is used."""
