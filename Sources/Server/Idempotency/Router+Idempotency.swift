import Bytes
import Digests
import Glibc
import HTTP
import Network
import Sessions
import Storage

/// `Idempotency-Key`: `Protocols/http.md`.
extension Router {
    static let maxIdempotencyKeyBytes = 255
    /// How often a command that was sent again looks whether the first has got anywhere.
    private static let pollInterval = Duration.milliseconds(10)
    /// How long it does: then it is told to come again.
    private static let pollSeconds = 5

    /// What is carried out once for each name: the prefix of the response's identifier, nil for what begins none.
    private enum Kind {
        case response(prefix: String)
        case answer
        /// Its body comes in pieces, and is known when its end is here: ``onceReceived(_:_:_:)``.
        case form

        init?(_ method: HTTPMethod, _ path: [String]) {
            guard method == .post, path.first == "v1" else { return nil }
            switch (path[1], path.count) {
            case ("responses", 2): self = .response(prefix: "resp_")
            case ("chat", 3) where path[2] == "completions": self = .response(prefix: "chatcmpl-")
            case ("sessions", 2), ("conversations", 2), ("batches", 2): self = .answer
            case ("files", 2): self = .form
            case ("sessions", 4) where path[3] == "input": self = .answer
            default: return nil
            }
        }
    }

    /// Carries a command out, or gives what came of it when it was sent before.
    func once(_ call: Call, _ path: [String], _ carryOut: @escaping (Call) -> Void) throws(APIError) {
        guard path.count > 1, let kind = Kind(call.request.method, path), let key = call.request.fields["idempotency-key"] else {
            carryOut(call)
            return
        }
        guard (1...Self.maxIdempotencyKeyBytes).contains(key.utf8.count) else {
            throw .invalid(
                "'Idempotency-Key' must have 1 to \(Self.maxIdempotencyKeyBytes) bytes.", code: "invalid_idempotency_key")
        }
        if case .form = kind { return carryOut(call) }
        let name = IdempotencyKeys.Name(owner: call.owner, key: key)
        let fingerprint =
            call.largeBody?.fingerprint
            ?? (Array(Self.fingerprintHead(call).utf8) + call.exchange.body).withUnsafeBytes(SHA256.digest)
        try resolve(call, path, kind, name, fingerprint, carryOut)
    }

    /// As ``once(_:_:_:)`` for a command whose body was taken as it came. Its name is taken only now: a body that breaks off leaves
    /// it free.
    /// - Parameter content: the digest of what the body says; empty when there is none, which equals no other.
    func onceReceived(_ call: Call, _ content: [UInt8], _ carryOut: @escaping (Call) -> Void) throws(APIError) {
        guard let key = call.request.fields["idempotency-key"] else { return carryOut(call) }
        let name = IdempotencyKeys.Name(owner: call.owner, key: key)
        let fingerprint =
            content.isEmpty ? [] : (Array(Self.fingerprintHead(call).utf8) + content).withUnsafeBytes(SHA256.digest)
        try resolve(call, call.request.target.pathSegments, .form, name, fingerprint, carryOut)
    }

    private func resolve(
        _ call: Call, _ path: [String], _ kind: Kind, _ name: IdempotencyKeys.Name, _ fingerprint: [UInt8],
        _ carryOut: @escaping (Call) -> Void
    ) throws(APIError) {
        let now = Int(time(nil))
        var responseID: String?
        if case .response(let prefix) = kind { responseID = Identifier.make(prefix) }
        switch call.context.idempotency.claim(name, fingerprint: fingerprint, responseID: responseID, unixTime: now) {
        case .first:
            var call = call
            call.onceName = name
            call.onceResponseID = responseID
            carryOut(call)
        case .differs:
            throw APIError(
                status: .unprocessableContent,
                message: "This Idempotency-Key was used for another request. Use a new one for each request.",
                code: "idempotency_key_reused")
        case .answer(let status, let body):
            call.exchange.commonFields.append(Self.replayed)
            call.respond(HTTPStatus(status), json: body)
        case .erased: throw Self.resultExpired
        case .unavailable(let failure): throw APIError(failure)
        case .response(let id, let createdAt):
            call.context.find(response: id, owner: call.owner, from: call.loop) { [self] result in
                do throws(APIError) {
                    if try result.get() != nil {
                        call.exchange.commonFields.append(Self.replayed)
                        try path[1] == "chat" ? ChatFace.replay(call, id: id) : ResponsesFace.replay(call, id: id)
                    } else if now.saturatingSubtracting(createdAt) > Self.pollSeconds {
                        throw Self.resultExpired
                    } else {
                        again(call, path, kind, name, fingerprint, carryOut)
                    }
                } catch {
                    call.fail(error)
                }
            }
        case .running(let since):
            guard now - since <= Self.pollSeconds else {
                throw APIError(
                    status: .serviceUnavailable, message: "The first request with this Idempotency-Key is still being carried out.",
                    type: "server_error", code: "idempotency_key_in_use", retryAfterSeconds: 1)
            }
            again(call, path, kind, name, fingerprint, carryOut)
        }
    }

    private func again(
        _ call: Call, _ path: [String], _ kind: Kind, _ name: IdempotencyKeys.Name, _ fingerprint: [UInt8],
        _ carryOut: @escaping (Call) -> Void
    ) {
        call.loop.schedule(after: Self.pollInterval) { [self] in
            if call.exchange.isEnded { return }
            do throws(APIError) {
                try resolve(call, path, kind, name, fingerprint, carryOut)
            } catch {
                call.fail(error)
            }
        }
    }

    private static var resultExpired: APIError {
        APIError(
            status: .gone, message: "What this Idempotency-Key stood for is no longer kept. Use a new key to have it made anew.",
            code: "idempotent_result_expired")
    }

    private static let replayed = (name: "Idempotent-Replayed", value: "true")
}
