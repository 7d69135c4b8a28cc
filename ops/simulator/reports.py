"""Reports API 2021-06-30. Source: schema/amazon/reports_2021-06-30.json and Amazon's Reports guide."""

from __future__ import annotations

from ops.simulator import downloads, listings_report, searches
from ops.simulator.answers import Answer, JsonObject, Refusal, invalid_parameters
from ops.simulator.clock import amazon_time, parse_time
from ops.simulator.faults import Rule
from ops.simulator.operations import Operation, Request
from ops.simulator.quota import Plan
from ops.simulator.report_queue import Report
from ops.simulator.world import World

_BASE = "/reports/2021-06-30"
_MAX_MARKETPLACES = 25
REPORT_TYPES = frozenset({listings_report.REPORT_TYPE})

# Faults that a report carries from createReport to its end.
_OF_A_REPORT = ("report_stuck_in_queue", "report_stuck_in_progress", "report_cancelled", "report_fatal", "getreports_lag")


def create_report(world: World, request: Request) -> Answer:
    """202 with the id of a queued report. Every fault of the request has the same 400 text."""
    body = request.json(invalid_parameters())
    report_type, options = body.get("reportType"), body.get("reportOptions", {})
    if not isinstance(report_type, str) or report_type not in REPORT_TYPES:
        raise invalid_parameters()
    marketplace_ids = _marketplace_ids(body, request)
    if not isinstance(options, dict):
        raise invalid_parameters()
    texts = {name: value for name, value in options.items() if isinstance(value, str)}
    if len(texts) != len(options):
        raise invalid_parameters()
    data_start, data_end = _moment(world, body, "dataStartTime"), _moment(world, body, "dataEndTime")
    report = world.reports.add(
        request.account, report_type, marketplace_ids, now=world.clock.now(), faults=_faults_of_new_report(world, request)
    )
    report.options, report.data_start, report.data_end = texts, data_start, data_end
    return Answer(202, {"reportId": report.report_id})


def _marketplace_ids(body: JsonObject, request: Request) -> list[str]:
    named = body.get("marketplaceIds")
    if not isinstance(named, list) or not 1 <= len(named) <= _MAX_MARKETPLACES:
        raise invalid_parameters()
    ids = [name for name in named if isinstance(name, str) and request.sells_in(name)]
    if len(ids) != len(named):
        raise invalid_parameters()
    return ids


def _moment(world: World, body: JsonObject, name: str) -> str | None:
    """A time of the data, at most now; as Amazon shows it again."""
    if name not in body:
        return None
    text = body[name]
    moment = parse_time(text) if isinstance(text, str) else None
    if moment is None or moment > world.clock.real():
        raise invalid_parameters()
    return amazon_time(moment)


def _faults_of_new_report(world: World, request: Request) -> dict[str, Rule]:
    seller_id = request.account.seller_id
    struck = {kind: world.faults.strike(kind, operation=request.operation, seller=seller_id) for kind in _OF_A_REPORT}
    return {kind: rule for kind, rule in struck.items() if rule is not None}


def get_report(world: World, request: Request) -> Answer:
    return Answer(200, _shown(world, _own_report(world, request)))


def cancel_report(world: World, request: Request) -> Answer:
    """200 without a body, only while the report is IN_QUEUE."""
    if not world.reports.cancel(_own_report(world, request), world.clock.now()):
        raise Refusal(400, "InvalidInput", "The report can not be cancelled because it is no longer in the queue.")
    return Answer(200)


def _own_report(world: World, request: Request) -> Report:
    report = world.reports.find(request.account.seller_id, request.path["reportId"])
    if report is None or report.account.region != request.account.region:
        raise Refusal(404, "NotFound", "The requested resource was not found.")
    return report


def get_reports(world: World, request: Request) -> Answer:
    """Newest first. Either reportTypes with filters, or nextToken alone."""
    now = world.clock.now()
    shown = [report for report in world.reports if not _lags(report, now)]
    page, next_token = searches.page(world, request.account, searches.read(world, request, "reportTypes"), shown)
    answer: JsonObject = {"reports": [_shown(world, report) for report in page]}
    return Answer(200, answer if next_token is None else answer | {"nextToken": next_token})


def _lags(report: Report, now: float) -> bool:
    rule = report.faults.get("getreports_lag")
    return rule is not None and now < report.created_at + (rule.seconds or 0)


def _shown(world: World, report: Report) -> JsonObject:
    def moment(virtual: float | None) -> str | None:
        return None if virtual is None else amazon_time(world.clock.real_at(virtual))

    optional: JsonObject = {
        "dataStartTime": report.data_start,
        "dataEndTime": report.data_end,
        "processingStartTime": moment(report.started_at),
        "processingEndTime": None if report.started_at is None else moment(report.ended_at),
        "reportDocumentId": report.document_id,
    }
    return {
        "reportId": report.report_id,
        "reportType": report.report_type,
        "marketplaceIds": [*report.marketplace_ids],
        "createdTime": moment(report.created_at),
        "processingStatus": report.status.value,
        **{name: value for name, value in optional.items() if value is not None},
    }


def get_report_document(world: World, request: Request) -> Answer:
    return downloads.answer(world, request, "reportDocumentId")


OPERATIONS = (
    Operation("createReport", "POST", f"{_BASE}/reports", Plan(0.0167, 15), create_report),
    Operation("getReports", "GET", f"{_BASE}/reports", Plan(0.0222, 10), get_reports),
    Operation("getReport", "GET", f"{_BASE}/reports/{{reportId}}", Plan(2, 15), get_report),
    Operation("cancelReport", "DELETE", f"{_BASE}/reports/{{reportId}}", Plan(0.0222, 10), cancel_report),
    Operation("getReportDocument", "GET", f"{_BASE}/documents/{{reportDocumentId}}", Plan(0.0167, 15), get_report_document),
)
