import Digests
import HTTP
import Hosting
package import JSON
import Network
import SessionHosting
import Sessions

/// What was made of a large body off the loop: its JSON, and what it is known by.
package struct LargeBody: Sendable {
    /// What is smaller is read within a millisecond or two.
    package static let leastByteCount = 32 << 10

    let json: Result<JSONValue, JSONError>
    /// Of method, path and body, for `Idempotency-Key`; empty when it has none.
    let fingerprint: [UInt8]

    init(_ received: ReceivedBody, head: String?) {
        let body = received.joined
        json = Result { () throws(JSONError) in try Call.json(of: body) }
        fingerprint = head.map { (Array($0.utf8) + body).withUnsafeBytes(SHA256.digest) } ?? []
    }
}

extension Router {
    /// Goes on with what the body says; a large one is read off the loop first.
    func read(_ call: Call, _ then: @escaping (Call) throws(APIError) -> Void) throws(APIError) {
        let body = call.exchange.received
        guard case .json? = call.match.route?.body, body.count >= LargeBody.leastByteCount else { return try then(call) }
        let head = call.request.fields["idempotency-key"].map { _ in call.fingerprintHead }
        WorkerPool.shared.run(for: call.owner, on: call.loop) {
            LargeBody(body, head: head)
        } then: { read in
            if call.exchange.isEnded { return }
            guard let read else { return call.fail(.overloaded) }
            var call = call
            call.largeBody = read
            do throws(APIError) {
                try then(call)
            } catch {
                self.refuse(call, error)
            }
            // Many values take as long to release as to make.
            call.largeBody = nil
            WorkerPool.shared.release(read)
        }
    }
}

extension Call {
    /// Whether new work is taken now.
    func checkNewWork() throws(APIError) {
        if services.lifecycle.isDraining { throw .shuttingDown }
        if services.sessions(on: loop).isOverloaded() { throw .overloaded }
        if let failure = services.storageFailure { throw failure }
    }

    /// Goes on with the request that the body makes: at once, or, of a large body, when it has been checked off the loop.
    /// - Parameters:
    ///   - make: checks the body. Called with an empty object when there is no body and `isOptional` says that there need be none.
    ///   - then: called on the loop. The call has no ``largeBody`` then: what is wanted of it must be in the request.
    package func read<Request: Sendable>(
        isOptional: Bool = false, _ make: @escaping @Sendable (JSONObject) throws(RequestError) -> Request,
        then: @escaping (Call, Request) throws(APIError) -> Void
    ) throws(APIError) {
        let body = isOptional && exchange.received.isEmpty ? JSONObject() : try jsonBody()
        guard largeBody != nil else { return try then(self, try checked(try make(body))) }
        var call = self
        call.largeBody = nil
        WorkerPool.shared.run(for: owner, on: loop) {
            Result { () throws(RequestError) in try make(body) }
        } then: { [call] made in
            // Also when nobody is left to tell: its name must be free for who sends the command again.
            guard let made, !call.exchange.isEnded else { return call.fail(.overloaded) }
            do throws(APIError) {
                let request = try checked(try made.get())
                // It may have waited for long.
                if call.isNewWork { try call.checkNewWork() }
                try then(call, request)
            } catch {
                call.fail(error)
            }
            WorkerPool.shared.release(made)
        }
    }
}
