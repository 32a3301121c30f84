import Bytes
import Digests
import Glibc
import HTTP
import Network
import Sessions
import Storage

/// `Idempotency-Key`: `Protocols/http.md`.
extension Call {
    private static let maxIdempotencyKeyBytes = 255
    /// How often a repeated command checks for progress of the first.
    private static let pollInterval = Duration.milliseconds(10)
    /// How long it does; then the client is told to retry later.
    private static let pollSeconds = 5

    /// Prefix of the body for the fingerprint: the same key with another path is another request.
    var fingerprintHead: String { "\(request.method.name) \(request.target.path)\n" }

    /// Carries out a command, or responds with the outcome of an earlier one with the same key.
    func once(_ carryOut: @escaping (Call) -> Void) throws(APIError) {
        guard let idempotency = match.route?.idempotency, let key = request.fields["idempotency-key"] else {
            carryOut(self)
            return
        }
        guard (1...Self.maxIdempotencyKeyBytes).contains(key.utf8.count) else {
            throw .invalid(
                "'Idempotency-Key' must have 1 to \(Self.maxIdempotencyKeyBytes) bytes.", code: "invalid_idempotency_key")
        }
        if case .received = idempotency { return carryOut(self) }
        let fingerprint =
            largeBody?.fingerprint ?? (Array(fingerprintHead.utf8) + exchange.body).withUnsafeBytes(SHA256.digest)
        try resolve(idempotency, IdempotencyKeys.Name(owner: owner, key: key), fingerprint, carryOut)
    }

    /// Like ``once(_:)`` for a command whose body is streamed. Its key is claimed only at the end: an interrupted body leaves it
    /// free.
    /// - Parameter content: digest of the body's content; empty if there is none, which equals no other.
    package func onceReceived(_ content: [UInt8], _ carryOut: @escaping (Call) -> Void) throws(APIError) {
        guard let key = request.fields["idempotency-key"] else { return carryOut(self) }
        let fingerprint = content.isEmpty ? [] : (Array(fingerprintHead.utf8) + content).withUnsafeBytes(SHA256.digest)
        try resolve(.received, IdempotencyKeys.Name(owner: owner, key: key), fingerprint, carryOut)
    }

    private func resolve(
        _ idempotency: Route.Idempotency, _ name: IdempotencyKeys.Name, _ fingerprint: [UInt8],
        _ carryOut: @escaping (Call) -> Void
    ) throws(APIError) {
        let now = Int(time(nil))
        var responseID: String?
        if case .response(let prefix, _) = idempotency { responseID = Identifier.make(prefix) }
        switch services.idempotency.claim(name, fingerprint: fingerprint, responseID: responseID, unixTime: now) {
        case .first:
            var call = self
            call.onceName = name
            call.onceResponseID = responseID
            carryOut(call)
        case .differs:
            throw APIError(
                status: .unprocessableContent,
                message: "This Idempotency-Key was used for another request. Use a new one for each request.",
                code: "idempotency_key_reused")
        case .answer(let status, let body):
            exchange.commonFields.append(Self.replayed)
            respond(HTTPStatus(status), json: body)
        case .erased: throw Self.resultExpired
        case .unavailable(let failure): throw APIError(failure)
        case .response(let id, let createdAt):
            services.find(response: id, owner: owner, from: loop) { [self] result in
                do throws(APIError) {
                    if try result.get() != nil, case .response(_, let replay) = idempotency {
                        exchange.commonFields.append(Self.replayed)
                        try replay(self, id)
                    } else if now.saturatingSubtracting(createdAt) > Self.pollSeconds {
                        throw Self.resultExpired
                    } else {
                        again(idempotency, name, fingerprint, carryOut)
                    }
                } catch {
                    fail(error)
                }
            }
        case .running(let since):
            guard now - since <= Self.pollSeconds else {
                throw APIError(
                    status: .serviceUnavailable, message: "The first request with this Idempotency-Key is still being carried out.",
                    type: "server_error", code: "idempotency_key_in_use", retryAfterSeconds: 1)
            }
            again(idempotency, name, fingerprint, carryOut)
        }
    }

    private func again(
        _ idempotency: Route.Idempotency, _ name: IdempotencyKeys.Name, _ fingerprint: [UInt8],
        _ carryOut: @escaping (Call) -> Void
    ) {
        loop.schedule(after: Self.pollInterval) { [self] in
            if exchange.isEnded { return }
            do throws(APIError) {
                try resolve(idempotency, name, fingerprint, carryOut)
            } catch {
                fail(error)
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
