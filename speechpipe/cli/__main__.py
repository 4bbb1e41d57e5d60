"""``python -m speechpipe.cli`` is the program ``speechpipe``."""

from speechpipe.cli import main

main()
