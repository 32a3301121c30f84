package import Access
import Bytes
package import Logging
public import Network
import SessionHosting
public import WebSocket

/// A WebSocket of a face. Fulfils the duties that all of them share, and leaves the messages to the face.
///
/// - It is in its loop's ``OpenRegistry`` from beginning to end.
/// - When the server stops, it closes with 1012 as soon as it is at rest.
/// - When the key that opened it expires or is revoked, it sends the error and closes with 1008.
/// - Sessions that live as long as the connection are forgotten at its end: ``own(_:on:)``.
/// - A command that was received is carried out, whatever comes after it. Each of its steps that ends in a later iteration goes
///   through ``find(session:then:)`` and the methods beside it, or through ``Network/WebSocketConnection/delayingEnd(until:)``, so
///   that the end of the connection waits for it.
///
/// A face subclasses it, overrides the methods under "For the face" and those of ``Network/WebSocketConnection``, and lists a
/// ``Route/socket(_:label:scope:binding:_:)`` that makes it. Subprotocols are agreed on by the route's ``SocketOpening``.
open class FaceSocket: WebSocketConnection {
    /// The server's services.
    package let services: APIServices
    /// The caller that opened it.
    package let caller: Caller
    /// The owner of the caller's objects.
    package final var owner: String { caller.owner }
    private var ephemeral = EphemeralSessions()
    /// Number of steps that the client's next messages wait for.
    private var pausingStepCount = 0

    /// - Parameter call: the call that opens the socket.
    package init(_ transport: WebSocketTransport, for call: Call) {
        services = call.services
        caller = call.caller
        super.init(transport)
        services.calls(on: loop).open.insert(self)
    }

    // MARK: For the face

    /// Whether no work runs or waits here whose end the client is owed, apart from commands under way.
    open var isAtRest: Bool { true }
    /// Sends an error that no command has caused.
    open func tell(_ error: APIError) {}
    /// The connection has ended, for whatever reason; the last call.
    open func left() {}

    /// Forgets a session when the connection ends.
    /// - Parameter loop: the session's.
    package final func own(_ sessionID: String, on loop: EventLoop) {
        ephemeral.insert(sessionID, on: loop, services.sessions.residency)
    }

    /// Must be called before each command, since the credential may have expired.
    /// - Parameter tell: called with the error, if any, before the socket closes; once, however many commands follow.
    /// - Returns: false if the command must be dropped, without a further answer.
    package final func checkCredential(telling tell: (APIError) -> Void) -> Bool {
        if services.authentication.stillKnows(caller) { return true }
        if !isClosing {
            // A token may have expired whose key is valid.
            tell(APIError(services.authentication.letsIn(keyID: caller.keyID) ? .unknownKey : .keyRevoked))
            closeForKey()
        }
        return false
    }

    /// Metadata of its log lines; the access log's line for the upgrade has the same connection, and the request's identifier.
    package final var logMetadata: Logger.Metadata { ["connection": "\(connectionID ?? "")"] }

    // MARK: Steps of commands

    final func pauseForStep() {
        pausingStepCount += 1
        pauseMessages()
    }

    final func resumeAfterStep() {
        pausingStepCount -= 1
        if pausingStepCount == 0 { resumeMessages() }
    }

    // MARK: Duties

    /// Closes once the current work has ended.
    final func closeWhenAtRest() {
        if isClosing { return }
        if isAtRest, !hasCommandsUnderWay {
            closeForRestart()
        } else {
            loop.schedule(after: .milliseconds(20)) { [weak self] in self?.closeWhenAtRest() }
        }
    }

    /// Does not wait for commands under way: the server may end before they do.
    final func closeForRestart() { closeAtOnce(.serviceRestart, reason: "The server restarts. Connect again.") }

    final func endForRevokedKey() {
        if isClosing { return }
        tell(APIError(.keyRevoked))
        closeForKey()
    }

    private func closeForKey() {
        close(.policyViolation, reason: "The key that this connection was opened with is no longer valid.")
    }

    public final override func closed(_ end: ConnectionClosed) {
        if loop.logger.logLevel <= .debug {
            loop.logger.debug("websocket closed", metadata: logMetadata.merging(["close_code": "\(end.code)"]) { $1 })
        }
        services.calls(on: loop).open.remove(self)
        left()
        ephemeral.release(services.sessions)
    }
}
