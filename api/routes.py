"""Every URL, by subject. The imports are the register: one line for each controller."""

from litestar import Controller, Router
from litestar.types import ControllerRouterHandler

from api.access_records.controllers.access_records import AccessesController
from api.history.controllers.history import HistoryController
from api.history.controllers.search import AuditController
from api.openapi.controller import DocumentationController
from api.operations.controllers.dead_letters import LettersController
from api.operations.controllers.health import OperationsController
from api.operations.controllers.projections import ProjectionsController
from api.pages.controller import HomeController
from api.privacy.controllers.data_exports import DataExportsController
from api.privacy.controllers.erasure import ErasureController
from api.proof.controllers.proofs import ProofsController
from api.statistics.controllers.statistics import StatisticsController
from api.users.controllers.confirmation_page import ConfirmationPageController
from api.users.controllers.consents import ConsentsController
from api.users.controllers.deactivation import DeactivationController
from api.users.controllers.deletion import DeletionController
from api.users.controllers.email_addresses import EmailChangeController, EmailVerificationsController
from api.users.controllers.suspension import SuspensionController
from api.users.controllers.users import UsersController

WITHOUT_VERSION: tuple[type[Controller], ...] = (
    OperationsController,
    DocumentationController,
    HomeController,
    ConfirmationPageController,
)
"""Those whose URLs do not begin with the version of the API."""


def route_handlers() -> list[ControllerRouterHandler]:
    """All there is."""
    versioned = [each for each in _controllers() if each not in WITHOUT_VERSION]
    return [Router("/v1", route_handlers=versioned), *WITHOUT_VERSION]


def _controllers() -> list[type[Controller]]:
    found = (value for value in globals().values() if isinstance(value, type) and issubclass(value, Controller))
    return [controller for controller in found if controller is not Controller]
