"""The exception of the data room: something outside the program (a file, a folder, a mirror) is not right."""


class DataError(ValueError):
    """One line: which file or folder, what was found there, what would be right."""
