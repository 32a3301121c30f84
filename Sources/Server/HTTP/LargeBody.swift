import HTTP
import JSON
import Network

/// What was made of a large body off the loop: its JSON, and what it is known by.
struct LargeBody: Sendable {
    /// What is smaller is read within a millisecond or two.
    static let leastByteCount = 32 << 10

    let json: Result<JSONValue, JSONError>
    /// Of method, path and body, for `Idempotency-Key`; empty when it has none.
    let fingerprint: [UInt8]

    init(_ body: [UInt8], head: String?) {
        json = Result { () throws(JSONError) in try Call.json(of: body) }
        fingerprint = head.map { (Array($0.utf8) + body).withUnsafeBytes(SHA256.digest) } ?? []
    }
}

extension Router {
    /// Goes on with what the body says; a large one is read off the loop first.
    func read(_ call: Call, _ then: @escaping (Call) throws(APIError) -> Void) throws(APIError) {
        let body = call.exchange.body
        guard body.count >= LargeBody.leastByteCount else { return try then(call) }
        let head = call.request.fields["idempotency-key"].map { _ in Self.fingerprintHead(call) }
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

    /// What a request is for, in front of its body: the same key with another path is another request.
    static func fingerprintHead(_ call: Call) -> String { "\(call.request.method.name) \(call.request.target.path)\n" }
}
