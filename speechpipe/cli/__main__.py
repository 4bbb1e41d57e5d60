"""``python -m speechpipe.cli`` is the program ``speechpipe``."""

from speechpipe.__main__ import main

main()
