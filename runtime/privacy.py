"""Files of Holdfast's processes: for their own user alone."""

import os
from typing import Final

_OTHERS: Final = 0o077


def keep_files_private() -> None:
    """Make files 0600 and folders 0700 from now on, in this process and in those that it starts.

    They hold what people told a business: exports, attachments, mail, logs and whole databases.
    """
    os.umask(_OTHERS)
