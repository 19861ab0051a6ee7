"""All SQL; rows never leave this folder."""
