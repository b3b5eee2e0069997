"""A base class for jobs whose result is stored in a run folder."""

from collections.abc import Sequence

from bnproof.empirical.training.run_folder import RunFolder
from bnproof.scheduler.job import Job


class FolderJob:
    """A job whose result is stored in a run folder."""

    @property
    def run(self) -> RunFolder:
        """The run folder."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """Name of the folder, which is the hash of a configuration."""
        return self.run.folder.name

    @property
    def needs(self) -> Sequence[Job]:
        """Jobs to be finished first; none by default."""
        return ()

    def done(self) -> bool:
        """Whether the folder contains a result."""
        return self.run.result() is not None
