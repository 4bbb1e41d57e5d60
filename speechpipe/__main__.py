"""The program ``speechpipe``, also as ``python -m speechpipe``. It answers to Ctrl-C before it imports all else."""

from speechpipe.stopping import end_by_ctrl_c


def main() -> None:
    """Run the command line; ends the process."""
    end_by_ctrl_c()
    from speechpipe.cli import main

    main()


if __name__ == "__main__":
    main()
