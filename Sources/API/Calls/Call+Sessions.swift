import HTTP
import Hosting
package import Network
package import SessionHosting
package import Sessions
package import Storage

extension APIServices {
    /// The sessions that live on a loop. Must be called on that loop.
    package func sessions(on loop: EventLoop) -> SessionLoop { sessions.sessions(on: loop) }

    /// Like ``SessionHosting/SessionDirectory/sessions(placedFrom:)``.
    package func sessions(placedFrom loop: EventLoop) -> SessionLoop { sessions.sessions(placedFrom: loop) }

    /// Like ``SessionHosting/SessionDirectory/find(session:owner:from:then:)``, with an HTTP error.
    package func find(
        session id: String, owner: String, from loop: EventLoop, then: @escaping (Result<SessionReference?, APIError>) -> Void
    ) {
        sessions.find(session: id, owner: owner, from: loop) { then($0.mapError { _ in .storageUnavailable }) }
    }

    /// Like ``SessionHosting/SessionDirectory/find(response:owner:from:then:)``, with an HTTP error.
    package func find(
        response id: String, owner: String, from loop: EventLoop, then: @escaping (Result<SessionReference?, APIError>) -> Void
    ) {
        sessions.find(response: id, owner: owner, from: loop) { then($0.mapError { _ in .storageUnavailable }) }
    }
}

extension APIError {
    /// The HTTP error for a failed store operation.
    package init(_ error: StorageError) { self = .storageUnavailable }

    /// 503: the store cannot be read or written.
    static var storageUnavailable: APIError {
        APIError(
            status: .serviceUnavailable, message: "The store cannot be used at this time. Try again later.", type: "server_error",
            code: "storage_unavailable", retryAfterSeconds: 1)
    }
}

extension Call {
    /// The position of the last event that a reader has, as it sent it.
    /// - Parameter param: the query parameter or header field that it was sent in.
    /// - Throws: 400 for an invalid position: an empty text, a negative number, anything else.
    package func position(_ text: String, param: String) throws(APIError) -> LogPosition {
        guard let position = LogPosition(text) else {
            throw .invalid("'\(param)' must be the number of an event, or one with its epoch, like '2:41'.", param: param)
        }
        return position
    }

    /// Continues with one of the caller's sessions; fails the call with 404 if there is none.
    package func findSession(_ id: String, _ body: @escaping (SessionReference) throws(APIError) -> Void) {
        services.find(session: id, owner: owner, from: loop) { result in
            go(on: result, orElse: .notFound("session", id: id, code: "session_not_found"), body)
        }
    }

    /// Continues with the session of one of the caller's responses; fails the call with 404 if there is none.
    package func findSession(ofResponse id: String, _ body: @escaping (SessionReference) throws(APIError) -> Void) {
        services.find(response: id, owner: owner, from: loop) { result in
            go(on: result, orElse: .notFound("response", id: id, code: "response_not_found"), body)
        }
    }

    private func go(
        on result: Result<SessionReference?, APIError>, orElse missing: APIError,
        _ body: (SessionReference) throws(APIError) -> Void
    ) {
        do throws(APIError) {
            guard let reference = try result.get() else { throw missing }
            try body(reference)
        } catch {
            fail(error)
        }
    }
}
