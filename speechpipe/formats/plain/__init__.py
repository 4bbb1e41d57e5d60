"""Text and tables for people, spreadsheets and scripts."""
