"""What an engine tells of the models it serves: people see there what its lookups found."""

from __future__ import annotations

import functools
import logging
import socket
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from db import CpuArch, DbError, NotFound, ServedBucket, Serving, Store
from runtime.lookup import Reach

if TYPE_CHECKING:
    from runtime.model import Model

_log = logging.getLogger(__name__)


class Telling:
    """Tells the database what serves, on the thread of whoever calls it.

    Parameters
    ----------
    database
        One that can be written to.
    arch
        CPU architecture that models are compiled for.
    """

    def __init__(self, database: Reach, arch: CpuArch) -> None:
        self._database, self._arch = database, arch
        self._process, self._host = str(uuid.uuid4()), socket.gethostname()
        self._failed = False

    def tell(self, models: Iterable[Model]) -> None:
        """Tell what serves at this moment; graphs that nobody added to the database are left out.

        A database that cannot be written to is logged once, until it was.
        """
        try:
            for model in models:
                self._database.ask(functools.partial(self._note, told=self._serving(model)))
        except DbError as error:
            if not self._failed:
                _log.warning("what serves is not told to the database: %s", error)
            self._failed = True
        else:
            self._failed = False

    def _serving(self, model: Model) -> Serving:
        calls = model.bucket_calls()
        kernels = {
            bucket.batch: {
                kind: sum(k.calls for k in bucket.kernels if k.served_by == kind)
                for kind in bucket.served_by
            }
            for bucket in model.report().buckets
        }
        return Serving(
            process=self._process,
            host=self._host,
            digest=model.digest,
            arch=self._arch.name,
            refreshes=model.refreshes,
            buckets=tuple(ServedBucket(b, calls[b], kinds) for b, kinds in kernels.items()),
        )

    def _note(self, store: Store, told: Serving) -> None:
        store.add_arch(self._arch)
        try:
            store.note_serving(told)
        except NotFound:
            _log.debug("nobody added the graph %s to the database", told.digest)
