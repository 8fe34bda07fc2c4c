"""``python -m ainode``: the same as the ``ainode`` command."""

from ainode.cli import main

if __name__ == "__main__":
    main()
