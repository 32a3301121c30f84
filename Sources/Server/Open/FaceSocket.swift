import Bytes
import Logging
import Network
import WebSocket

/// A WebSocket of a face. It has the duties of every one of them, and leaves what is said to the face.
///
/// - It is in the ``OpenRegistry`` of its loop from its beginning to its end.
/// - When the server stops, it closes with 1012 as soon as it is at rest.
/// - When the key that opened it ends, it tells so and closes with 1008.
/// - Sessions that live as long as the connection are forgotten at its end: ``own(_:on:)``.
///
/// A face subclasses it, overrides the methods under "For the face" and those of ``Network/WebSocketConnection``, and lists a
/// ``Route/socket(_:label:scope:binding:_:)`` that makes it. Subprotocols are agreed on by the route's ``SocketOpening``.
class FaceSocket: WebSocketConnection {
    let context: ServerContext
    /// The caller that opened it.
    let caller: Caller
    final var owner: String { caller.owner }
    private var ephemeral = EphemeralSessions()

    /// - Parameter call: the one that asked for the socket.
    init(_ transport: WebSocketTransport, for call: Call) {
        context = call.context
        caller = call.caller
        super.init(transport)
        context.open(on: loop).insert(self)
    }

    // MARK: For the face

    /// Whether nothing runs or waits here whose end the client is owed.
    var isAtRest: Bool { true }
    /// Tells of an error that no command has caused.
    func tell(_ error: APIError) {}
    /// The last call, whatever the cause.
    func left() {}

    /// Forgets a session when the connection ends.
    /// - Parameter loop: the session's.
    final func own(_ sessionID: String, on loop: EventLoop) { ephemeral.insert(sessionID, on: loop, context.residency) }

    /// To be called before each command: the credential may have ended since.
    /// - Parameter tell: called with the error when it has, before the socket closes.
    final func checkCredential(telling tell: (APIError) -> Void) throws(APIError) {
        if context.authentication.stillKnows(caller) { return }
        tell(Authentication.unknownKey)
        closeForKey()
        throw Authentication.unknownKey
    }

    /// What its lines in the log begin with: the access line of the upgrade has the request's identifier and the same connection.
    final var logMetadata: Logger.Metadata { ["connection": "\(connectionID ?? "")"] }

    // MARK: Duties

    /// Closes once what runs has come to its end here.
    final func closeWhenAtRest() {
        guard isOpen else { return }
        if isAtRest {
            closeForRestart()
        } else {
            loop.schedule(after: .milliseconds(20)) { [weak self] in self?.closeWhenAtRest() }
        }
    }

    final func closeForRestart() { close(.serviceRestart, reason: "The server restarts. Connect again.") }

    final func endForRevokedKey() {
        guard isOpen else { return }
        tell(Authentication.keyRevoked)
        closeForKey()
    }

    private func closeForKey() {
        close(.policyViolation, reason: "The key that this connection was opened with is no longer valid.")
    }

    final override func closed(_ end: ConnectionClosed) {
        if loop.logger.logLevel <= .debug {
            loop.logger.debug("websocket closed", metadata: logMetadata.merging(["close_code": "\(end.code)"]) { $1 })
        }
        context.open(on: loop).remove(self)
        left()
        ephemeral.release(context)
    }
}
