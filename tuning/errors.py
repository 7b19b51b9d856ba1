"""What can go wrong with a study."""

from ncf.errors import NCFError


class StudyError(NCFError):
    """A study, or the database it is in, can't be used."""
