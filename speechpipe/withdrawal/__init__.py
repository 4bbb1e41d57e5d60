"""What may no longer stand is taken away: results, copies and every other trace."""
