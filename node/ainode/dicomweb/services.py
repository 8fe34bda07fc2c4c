"""DICOMweb put together from the settings."""

import sqlalchemy as sa
from starlette.routing import BaseRoute

from ainode import peers
from ainode.dicomweb.describer import Describer
from ainode.dicomweb.intake import ObjectIntake
from ainode.dicomweb.links import Links
from ainode.dicomweb.retrieve import RetrieveService
from ainode.dicomweb.routes import DicomWeb, dicomweb_routes
from ainode.dicomweb.search import SearchService
from ainode.dicomweb.store import StoreService
from ainode.dicomweb.upload import UploadService
from ainode.dicomweb.workers import Workers
from ainode.journal.headers import HeaderJournal
from ainode.journal.holdings import Holdings
from ainode.journal.instances import InstanceJournal
from ainode.receive.contexts import is_stored
from ainode.receive.spool import Spool
from ainode.settings import Settings


def describer(settings: Settings, engine: sa.Engine, spool: Spool) -> Describer:
    """What keeps searches up to date; to be stepped now and then."""
    return Describer(HeaderJournal(engine, newest=_newest(settings)), spool)


def routes(
    settings: Settings, engine: sa.Engine, spool: Spool, *, journal: InstanceJournal, describing: Describer
) -> list[BaseRoute]:
    """Routes for the root of the web server."""
    options = peers.listener_options(settings)
    web = settings.dicomweb
    intake = ObjectIntake(spool, journal, lambda sop_class_uid: is_stored(sop_class_uid, options), web.max_object)
    workers = Workers(count=web.max_stores, silence=web.silence)
    links = Links(peers.dicomweb_url(settings))
    holdings = Holdings(engine, newest=_newest(settings))
    return dicomweb_routes(
        DicomWeb(
            store=StoreService(intake, workers, links),
            search=SearchService(holdings, spool.path_of, links, describing.step),
            retrieve=RetrieveService(holdings, spool.path_of, links),
            upload=UploadService(intake, workers, web.max_upload),
        )
    )


def _newest(settings: Settings) -> bool:
    return settings.complete.same_uid == "newest"
