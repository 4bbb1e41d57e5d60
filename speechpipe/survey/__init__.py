"""What a recording holds, heard to its end but not transcribed."""
