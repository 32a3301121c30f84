import Digests
import HTTP
import Hosting
package import JSON
import Network
import SessionHosting
import Sessions

/// A large body parsed off the loop: its JSON and its fingerprint.
package struct LargeBody: Sendable {
    /// Smaller bodies are parsed within a millisecond or two.
    package static let leastByteCount = 32 << 10

    let json: Result<JSONValue, JSONError>
    /// Digest of method, path and body for `Idempotency-Key`; empty without one.
    let fingerprint: [UInt8]

    init(_ received: ReceivedBody, head: String?) {
        let body = received.joined
        json = Result { () throws(JSONError) in try Call.json(of: body) }
        fingerprint = head.map { (Array($0.utf8) + body).withUnsafeBytes(SHA256.digest) } ?? []
    }
}

extension Router {
    /// Continues once the body is parsed; a large one is parsed off the loop.
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
            // Releasing many values takes as long as parsing them.
            call.largeBody = nil
            WorkerPool.shared.release(read)
        }
    }
}

extension Call {
    /// Whether new work is accepted now.
    func checkNewWork() throws(APIError) {
        if services.lifecycle.isDraining { throw .shuttingDown }
        if services.sessions(on: loop).isOverloaded() { throw .overloaded }
        if let failure = services.storageFailure { throw failure }
    }

    /// Continues with the request in the body: at once, or, for a large body, once it has been validated off the loop.
    /// - Parameters:
    ///   - make: validates the body. Called with an empty object if there is no body and `isOptional` permits that.
    ///   - then: called on the loop. ``largeBody`` is nil by then: the request must contain everything needed from it.
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
            // Also if the client has disconnected: its idempotency key must become free for a retry.
            guard let made, !call.exchange.isEnded else { return call.fail(.overloaded) }
            do throws(APIError) {
                let request = try checked(try made.get())
                // The request may have waited for long.
                if call.isNewWork { try call.checkNewWork() }
                try then(call, request)
            } catch {
                call.fail(error)
            }
            WorkerPool.shared.release(made)
        }
    }
}
