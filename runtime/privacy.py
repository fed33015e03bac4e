"""File permissions of Holdfast's processes: only their own user has access."""

import os
from typing import Final

_OTHERS: Final = 0o077


def keep_files_private() -> None:
    """Create files with 0600 and folders with 0700 from now on, in this process and its children.

    They hold customers' data: exports, attachments, mail, logs and whole databases.
    """
    os.umask(_OTHERS)
