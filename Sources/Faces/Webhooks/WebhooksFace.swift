import API
import HTTP
import Hosting
import JSON
package import Jobs
import Network
import Sessions

/// Webhook endpoints as OpenAI's SDK manages them (`client.webhooks`): `Protocols/webhooks.md`.
package struct WebhooksFace: Sendable {
    private let webhooks: Webhooks

    package init(_ webhooks: Webhooks) { self.webhooks = webhooks }

    private enum Answer: Sendable {
        case json([UInt8])
        case error(APIError)

        static func value(_ value: JSONValue) -> Answer { .json(value.serialized()) }
    }

    /// `POST /v1/webhook_endpoints`
    func create(_ call: Call) throws(APIError) {
        let body = try call.jsonBody()
        let request = try checked(
            try WebhookRequest(body, allowsPrivate: webhooks.settings.allowsPrivate))
        guard let url = request.url else { throw Self.missing("url") }
        guard let eventTypes = request.eventTypes else { throw Self.missing("event_types") }
        let name = request.name ?? ""
        let owner = call.owner
        answer(call) { webhooks in
            let made = await webhooks.create(
                owner: owner, name: name, url: url, eventTypes: eventTypes, responses: request.responses ?? .background)
            return Self.answer(made) { .json(WebhookJSON.endpoint(WebhookEndpointStatus($0), showsSecret: true)) }
        }
    }

    /// `GET /v1/webhook_endpoints`
    func list(_ call: Call) throws(APIError) {
        let limit = max(1, try call.count("limit", default: 20, max: 100))
        let after = call.query["after"]
        let owner = call.owner
        answer(call) { webhooks in
            var statuses = await webhooks.list(owner: owner)[...]
            if let after {
                guard let place = statuses.firstIndex(where: { $0.endpoint.id == after }) else {
                    return .error(Self.notFound(after))
                }
                statuses = statuses[(place + 1)...]
            }
            return .json(WebhookJSON.list(statuses.prefix(limit), hasMore: statuses.count > limit))
        }
    }

    /// `GET /v1/webhook_endpoints/{id}`
    func retrieve(_ call: Call, id: String) {
        let owner = call.owner
        answer(call) { webhooks in
            guard let status = await webhooks.status(id, owner: owner) else { return .error(Self.notFound(id)) }
            return .json(WebhookJSON.endpoint(status))
        }
    }

    /// `POST` or `PATCH /v1/webhook_endpoints/{id}`
    func update(_ call: Call, id: String) throws(APIError) {
        let body = try call.jsonBody()
        let request = try checked(
            try WebhookRequest(body, allowsPrivate: webhooks.settings.allowsPrivate))
        let owner = call.owner
        let unixTime = call.loop.unixTime
        answer(call) { webhooks in
            let updated = await webhooks.update(id, owner: owner) { request.apply(to: &$0, unixTime: unixTime) }
            guard case .success = updated, let status = await webhooks.status(id, owner: owner) else {
                return Self.answer(updated, id: id) { .json(WebhookJSON.endpoint(WebhookEndpointStatus($0))) }
            }
            return .json(WebhookJSON.endpoint(status))
        }
    }

    /// `DELETE /v1/webhook_endpoints/{id}`
    func delete(_ call: Call, id: String) {
        let owner = call.owner
        answer(call) { webhooks in
            Self.answer(await webhooks.remove(id, owner: owner), id: id) { id in
                .value(["id": .string(id), "object": "webhook_endpoint.deleted", "deleted": true])
            }
        }
    }

    /// `POST /v1/webhook_endpoints/{id}/rotate_secret`
    func rotateSecret(_ call: Call, id: String) throws(APIError) {
        let body = try Self.body(call)
        let keepsOld = try checked(try body.optionalBool("keep_old_secret_active_for_24_hours")) ?? false
        let owner = call.owner
        answer(call) { webhooks in
            Self.answer(await webhooks.rotateSecret(id, owner: owner, keepsOld: keepsOld), id: id) {
                .json(WebhookJSON.endpoint(WebhookEndpointStatus($0), showsSecret: true))
            }
        }
    }

    /// `POST /v1/webhook_endpoints/{id}/test`
    func test(_ call: Call, id: String) throws(APIError) {
        let body = try Self.body(call)
        let type = try checked(
            try WebhookRequest.eventType(try body.optionalString("event_type") ?? WebhookEvent.types[0], param: "event_type"))
        let owner = call.owner
        answer(call, within: nil) { webhooks in
            Self.answer(await webhooks.test(id, owner: owner, type: type), id: id) { status in
                .value(
                    [
                        "object": "webhook_endpoint.test", "webhook_endpoint_id": .string(id), "event_type": .string(type),
                        "status_code": JSONValue(status), "success": true,
                    ])
            }
        }
    }

    /// `GET /v1/webhook_endpoints/{id}/deliveries`
    func deliveries(_ call: Call, id: String) throws(APIError) {
        let limit = max(1, try call.count("limit", default: 100, max: 1000))
        let owner = call.owner
        answer(call) { webhooks in
            guard let deliveries = await webhooks.deliveries(id, owner: owner, limit: limit) else {
                return .error(Self.notFound(id))
            }
            return .json(WebhookJSON.deliveries(deliveries))
        }
    }

    /// `POST /v1/webhook_events/{id}/redeliver`
    func redeliver(_ call: Call, id: String) throws(APIError) {
        let body = try Self.body(call)
        let endpointID = try checked(try body.optionalString("webhook_endpoint_id"))
        let owner = call.owner
        answer(call) { webhooks in
            Self.answer(await webhooks.redeliver(eventID: id, owner: owner, endpointID: endpointID), id: id) { count in
                .value(["object": "interject.webhook_redelivery", "event_id": .string(id), "endpoints": JSONValue(count)])
            }
        }
    }

    /// `GET /v1/webhook_event_types`
    func eventTypes(_ call: Call) {
        call.respond { list in
            list.field("object", "list")
            list.array("data") { for type in WebhookEvent.types { $0.element(type) } }
        }
    }

    // MARK: Helpers

    private static func body(_ call: Call) throws(APIError) -> JSONObject {
        call.exchange.received.isEmpty ? JSONObject() : try call.jsonBody()
    }

    private static func missing(_ member: String) -> APIError {
        .invalid("'\(member)' is missing.", param: member, code: "missing_required_parameter")
    }

    private static func notFound(_ id: String) -> APIError {
        .notFound("webhook endpoint", id: id, code: "webhook_endpoint_not_found")
    }

    /// Runs `body` where the endpoints live, and answers on the connection's loop.
    /// - Parameter deadline: maximum duration of that; nil if the answer has a deadline of its own.
    private func answer(
        _ call: Call, within deadline: Duration? = CommitWait.deadline, _ body: @escaping @Sendable (Webhooks) async -> Answer
    ) {
        let bound = LoopBound((call: call, timer: deadline.map { call.failUnlessAnswered(within: $0) }), on: call.loop)
        let webhooks = webhooks
        Task {
            let answer = await body(webhooks)
            bound.run { waiting in
                waiting.timer?.cancel()
                let call = waiting.call
                switch answer {
                case .json(let json): call.respond(json: json)
                case .error(let error): call.fail(error)
                }
            }
        }
    }

    private static func answer<Value>(
        _ result: Result<Value, WebhookError>, id: String = "", _ success: (Value) -> Answer
    ) -> Answer {
        switch result {
        case .success(let value): success(value)
        case .failure(let error): .error(APIError(error, id: id))
        }
    }
}

extension APIError {
    fileprivate init(_ error: WebhookError, id: String) {
        switch error {
        case .endpointNotFound: self = .notFound("webhook endpoint", id: id, code: "webhook_endpoint_not_found")
        case .eventNotFound: self = .notFound("webhook event", id: id, code: "webhook_event_not_found")
        case .tooManyEndpoints:
            self = APIError(
                status: .badRequest,
                message: "There are \(WebhookEndpoint.maxCount) webhook endpoints of yours already: delete one, or change it.",
                code: "too_many_webhook_endpoints")
        case .tooManyTests:
            self = APIError(
                status: .tooManyRequests, message: "Too many samples are under way. Try again in a moment.",
                type: "rate_limit_error", code: "too_many_webhook_tests", retryAfterSeconds: 1)
        case .noAnswer(let word):
            self = APIError(
                status: .badGateway, message: "The endpoint gave no answer to the sample: \(word).", code: "webhook_test_failed",
                fields: [("x-should-retry", "false")])
        case .notCommitted:
            self = APIError(
                status: .internalServerError, message: "The change could not be stored.", type: "server_error", code: "not_stored")
        }
    }
}
