package import API
import HTTP
package import Hosting
import JSON
import Jobs
import Network
import ResponsesWire
package import SessionHosting
import Sessions
import Synchronization

/// Runs each request of a batch in a session of its own, which is then deleted: the batch stores the result.
package final class SessionBatchRunner: BatchRunner {
    private let services: BatchLineServices
    private let loops: [LoopBound<BatchLoad>]
    private let turn = Atomic<Int>(0)

    /// A runner with the server's services.
    package init(sessions: SessionDirectory, metering: Metering, lifecycle: Lifecycle) {
        services = BatchLineServices(sessions: sessions, metering: metering, lifecycle: lifecycle)
        loops = sessions.loops.map { LoopBound(transferring: BatchLoad(), to: $0.loop) }
    }

    func run(_ request: BatchRequest, owner: String, keyID: String?) async -> BatchAnswer? {
        let load = loops[turn.add(1, ordering: .relaxed).newValue % loops.count]
        let run = LoopBound(transferring: BatchLineRun(services, load), to: load.loop)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                run.run { run in run.start(request, owner: owner, keyID: keyID) { continuation.resume(returning: $0) } }
            }
        } onCancel: {
            run.run { $0.stop() }
        }
    }

    func interactiveCount() async -> Int {
        var count = 0
        for load in loops {
            let (sessions, loop) = (services.sessions, load.loop)
            count += await load.call { load in sessions.sessions(on: loop).activeCount(besides: load.sessionIDs) }
        }
        return count
    }
}

/// Services that the requests of batches use.
private struct BatchLineServices: Sendable {
    let sessions: SessionDirectory
    let metering: Metering
    let lifecycle: Lifecycle
}

/// The sessions of batches on one loop. Loop-confined.
private final class BatchLoad {
    var sessionIDs: Set<String> = []
}

/// One running request of a batch. Loop-confined.
private final class BatchLineRun {
    private let services: BatchLineServices
    private let loop: EventLoop
    private let load: LoopBound<BatchLoad>
    private let requestID = Identifier.make("req_")
    private var session: SessionReference?
    private var responseID: String?
    private var isStopped = false
    private var then: ((BatchAnswer?) -> Void)?

    init(_ services: BatchLineServices, _ load: LoopBound<BatchLoad>) {
        self.services = services
        self.load = load
        loop = load.loop
    }

    /// - Parameter then: called once.
    func start(_ request: BatchRequest, owner: String, keyID: String?, then: @escaping (BatchAnswer?) -> Void) {
        self.then = then
        if isStopped || services.lifecycle.isDraining {
            end(nil)
            return
        }
        do throws(APIError) {
            if services.sessions.sessions(on: loop).isOverloaded() { throw .overloaded }
            try submit(request, owner: owner, keyID: keyID)
        } catch {
            end(.failure(error))
        }
    }

    /// Ends the run as soon as its upstream is closed; unless it was over, it counts as not run.
    func stop() {
        isStopped = true
        session?.perform(.cancel(SessionCommand.Cancel()), from: loop) { _ in }
    }

    private func submit(_ request: BatchRequest, owner: String, keyID: String?) throws(APIError) {
        for key in ["previous_response_id", "conversation", "interject"] {
            guard let value = request.body[key], !value.isNull else { continue }
            throw .invalid(
                "'\(key)' is not supported in batches: each request stands alone.", param: key, code: "unsupported_parameter")
        }
        let id: String
        let parameters: ResponseParameters
        var submit: SessionCommand.Submit
        let collector: EventReader
        let fail: (APIError) -> Void
        switch request.endpoint {
        case .chatCompletions:
            let chat = try checked(try ChatRequest(request.body))
            parameters = chat.parameters
            id = Identifier.make("chatcmpl-")
            submit = chat.submit(id, policy: .continuing)
            let completion = ChatCompletion(id: id, model: chat.parameters.model, created: loop.unixTime)
            let reader = ResponseCollector(loop: loop, responseID: id, noun: "completion", read: completion.collected) {
                [self] in end($0)
            }
            collector = reader
            fail = { reader.fail($0) }
        case .responses:
            let body = try checked(try ResponsesRequest(request.body))
            parameters = body.parameters
            id = Identifier.make("resp_")
            submit = body.submit(id, policy: .continuing, isStored: false, isDurable: false)
            let read: ResponseCollector.Reading = { CollectedResponse($0, $1, in: .native) }
            let reader = ResponseCollector(loop: loop, responseID: id, read: read) { [self] in end($0) }
            collector = reader
            fail = { reader.fail($0) }
        }
        // A warm-up request is of no use in a batch.
        submit.isWarmUp = false
        responseID = id
        if let keyID { services.metering.enter(id, owner: owner, keyID: keyID) }
        let session = services.sessions.sessions(placedFrom: loop).makeSession(
            owner: owner, defaults: parameters, isEphemeral: true)
        self.session = session
        load.value.sessionIDs.insert(session.id)
        session.perform(.submit(submit), reader: collector, from: loop) { outcome in
            if case .refused(let error) = outcome { fail(APIError(error)) }
        }
    }

    private func end(_ result: Result<CollectedResponse, APIError>?) {
        guard let then else { return }
        self.then = nil
        switch result {
        case .success(let response):
            let isWhole = response.ending == .responseCompleted || response.ending == .responseIncomplete
            // A request interrupted by the server's shutdown runs again after the next start.
            let isCut = response.ending == .responseIncomplete && services.lifecycle.isDraining
            then(isWhole && !isCut ? BatchAnswer(status: 200, requestID: requestID, body: response.json) : nil)
        case .failure(let error):
            then(
                services.lifecycle.isDraining
                    ? nil
                    : BatchAnswer(
                        status: error.status.code, requestID: requestID, body: error.body,
                        retryAfterSeconds: error.retryAfterSeconds))
        case nil: then(nil)
        }
        guard let session else { return }
        self.session = nil
        let services = services
        // After the session's own iteration.
        let load = load
        let responseID = responseID
        loop.execute { [loop] in
            // In case it never began; a response that has ended is already counted.
            if let responseID { services.metering.abandon(responseID, now: loop.now) }
            load.value.sessionIDs.remove(session.id)
            session.perform(.deleteSession, from: loop) { _ in }
        }
    }
}
