"""A job whose result is that of a run folder."""

from collections.abc import Sequence

from bnproof.empirical.training.run_folder import RunFolder
from bnproof.scheduler.job import Job


class InFolder:
    """What jobs have in common whose result is that of a run folder."""

    @property
    def run(self) -> RunFolder:
        """The folder."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """The folder's name, which is the hash of a configuration."""
        return self.run.folder.name

    @property
    def needs(self) -> Sequence[Job]:
        """Other jobs; none unless a subclass names some."""
        return ()

    def done(self) -> bool:
        """Whether the folder has a result."""
        return self.run.result() is not None
