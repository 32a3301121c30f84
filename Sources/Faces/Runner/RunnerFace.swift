import API
import Access
import Bytes
import HTTP
import JSON
import Network
package import Runners
import Sessions

/// External runners as upstreams: `Protocols/runner.md`.
package struct RunnerFace: Sendable {
    /// The longest wait of a call.
    private static let maxWaitSeconds = 60
    private static let maxModels = 32

    /// Where runners get their work.
    private let board: RunnerBoard
    /// The model that runners answer for; nil: none.
    private let model: String?

    /// - Parameters:
    ///   - board: where runners get their work.
    ///   - model: the model that runners answer for; nil for none.
    package init(_ board: RunnerBoard, model: String?) {
        self.board = board
        self.model = model
    }

    /// `GET /v1/runner/work`
    func work(_ call: Call) throws(APIError) {
        guard model != nil else { throw Self.notOffered }
        let wait = try call.count("wait", default: 0, max: Self.maxWaitSeconds)
        let models = (call.query["model"] ?? "").split(separator: ",").map(String.init)
        guard models.count <= Self.maxModels else {
            throw .invalid("'model' may have \(Self.maxModels) names.", param: "model")
        }
        // HEAD would lease the work.
        if call.isHead { return call.exchange.respond(.noContent) }
        let runner = call.query["runner"].map { String($0.prefix(64)) }
        let owner = call.caller.scopes.isSuperset(of: .runnerOfAll) ? nil : call.owner
        WorkPoll(call, board, RunnerBoard.Demand(owner: owner, models: models), runner: runner, wait: .seconds(wait)).begin()
    }

    /// `POST /v1/responses/{id}/events`
    func post(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            try RunnerPost(body)
        } then: { (call, post) throws(APIError) in
            try self.post(call, id: id, post)
        }
    }

    private func post(_ call: Call, id: String, _ post: RunnerPost) throws(APIError) {
        guard post.leaseID != nil else { return Self.addSteps(call, id: id, post) }
        switch try place(of: id, call) {
        case .running(_, let runner):
            let answer = LoopBound({ (outcome: RunnerCall.Outcome) in Self.answer(call, outcome) }, on: call.loop)
            runner.run { runner in runner.post(post) { outcome in answer.run { $0(outcome) } } }
        case .ended(let ended):
            let isRepeated = post.leaseID == ended.leaseID && post.number > 0 && post.number <= ended.lastPost
            Self.answer(call, isRepeated ? .taken(ended.summary, isRepeated: true) : .notActive(ended.summary))
        }
    }

    /// `GET /v1/responses/{id}/runner`
    func watch(_ call: Call, id: String) throws(APIError) {
        let wait = try call.count("wait", default: 0, max: Self.maxWaitSeconds)
        switch try place(of: id, call) {
        case .running(_, let runner):
            RunnerWatch(call, runner, wait: .seconds(wait)).begin(leaseID: call.query["lease_id"])
        case .ended(let ended): Self.answer(call, isActive: false, ended.summary)
        }
    }

    private func place(of id: String, _ call: Call) throws(APIError) -> RunnerBoard.Place {
        guard let place = board.place(of: id),
            call.caller.scopes.isSuperset(of: .runnerOfAll) || place.owner == call.owner
        else { throw .notFound("response for a runner", id: id, code: "response_not_found") }
        return place
    }

    /// Adds steps from a program other than the model, whichever model that is.
    private static func addSteps(_ call: Call, id: String, _ post: RunnerPost) {
        call.findSession(ofResponse: id) { session in
            call.perform(.addSteps(responseID: id, post.steps), on: session) { (outcome) throws(SessionError) in
                let (response, areTaken) = try outcome.steps()
                let summary = RunnerCall.Summary(responseID: id, status: response.status, reason: response.incompleteReason)
                answer(call, areTaken ? .taken(summary, isRepeated: false) : .notActive(summary))
            }
        }
    }

    // MARK: Responses

    private static func answer(_ call: Call, _ outcome: RunnerCall.Outcome) {
        switch outcome {
        case .taken(let summary, let isRepeated):
            call.respond { object in
                object.field("object", "interject.runner_events")
                object.object("response") { summary.write(to: &$0) }
                object.field("repeated", isRepeated)
            }
        case .notActive(let summary):
            call.respond(.conflict, fields: [("x-should-retry", "false")]) { object in
                object.object("error") { APIError(SessionError.responseNotActive(responseID: summary.responseID)).write(to: &$0) }
                object.object("response") { summary.write(to: &$0) }
            }
        case .refused(let refusal): call.fail(APIError(refusal))
        }
    }

    static func answer(_ call: Call, isActive: Bool, _ summary: RunnerCall.Summary?) {
        call.respond { object in
            object.field("object", "interject.runner")
            object.field("active", isActive)
            if let summary {
                object.object("response") { summary.write(to: &$0) }
            } else {
                object.null("response")
            }
        }
    }

    private static var notOffered: APIError {
        APIError(
            status: .notFound, message: "This server has no model for runners (--runner-model none).", code: "runners_disabled")
    }
}

extension APIError {
    fileprivate init(_ refusal: RunnerRefusal) {
        switch refusal {
        case .leaseLost:
            self.init(
                status: .conflict, message: "The lease is over, and the work is somebody else's, or waits for somebody.",
                param: "lease_id", code: "lease_lost")
        case .postMissing(let next):
            self.init(
                status: .conflict, message: "The post before this one is missing: 'seq' must be \(next).", param: "seq",
                code: "seq_gap")
        case .readersLag:
            self.init(
                status: .tooManyRequests, message: "All who listen lag behind. Send it again in a moment.",
                type: "rate_limit_error", code: "readers_lag", retryAfterSeconds: 0.2)
        case .tooManySteps:
            self = .invalid("A response may have \(Step.Limits.maxCount) steps.", param: "events", code: "too_many_steps")
        case .notCommitted: self = .notCommitted
        }
    }
}
