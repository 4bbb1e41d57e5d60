"""What catalogues and preservation systems read: ALTO, METS, PREMIS."""
