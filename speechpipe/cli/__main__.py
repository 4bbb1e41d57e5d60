"""``python -m speechpipe.cli`` is the program ``speechpipe`` too."""

from speechpipe.cli import main
from speechpipe.stopping import end_by_ctrl_c

end_by_ctrl_c()
main()
