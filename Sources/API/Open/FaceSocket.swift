package import Access
import Bytes
package import Logging
public import Network
import SessionHosting
public import WebSocket

/// A WebSocket of a face. It has the duties of every one of them, and leaves what is said to the face.
///
/// - It is in the ``OpenRegistry`` of its loop from its beginning to its end.
/// - When the server stops, it closes with 1012 as soon as it is at rest.
/// - When the key that opened it ends, it tells so and closes with 1008.
/// - Sessions that live as long as the connection are forgotten at its end: ``own(_:on:)``.
/// - A command that was received is carried out, whatever comes after it. Whichever step of it ends in a later iteration goes through
///   ``find(session:then:)`` and the methods beside it, or through ``Network/WebSocketConnection/delayingEnd(until:)``: the end of the
///   connection waits for it.
///
/// A face subclasses it, overrides the methods under "For the face" and those of ``Network/WebSocketConnection``, and lists a
/// ``Route/socket(_:label:scope:binding:_:)`` that makes it. Subprotocols are agreed on by the route's ``SocketOpening``.
open class FaceSocket: WebSocketConnection {
    package let services: APIServices
    /// The caller that opened it.
    package let caller: Caller
    package final var owner: String { caller.owner }
    private var ephemeral = EphemeralSessions()
    /// Steps that the client's next messages wait for.
    private var pausingStepCount = 0

    /// - Parameter call: the one that asked for the socket.
    package init(_ transport: WebSocketTransport, for call: Call) {
        services = call.services
        caller = call.caller
        super.init(transport)
        services.calls(on: loop).open.insert(self)
    }

    // MARK: For the face

    /// Whether nothing runs or waits here whose end the client is owed, besides commands under way.
    open var isAtRest: Bool { true }
    /// Tells of an error that no command has caused.
    open func tell(_ error: APIError) {}
    /// The last call, whatever the cause.
    open func left() {}

    /// Forgets a session when the connection ends.
    /// - Parameter loop: the session's.
    package final func own(_ sessionID: String, on loop: EventLoop) {
        ephemeral.insert(sessionID, on: loop, services.sessions.residency)
    }

    /// To be called before each command: the credential may have ended since.
    /// - Parameter tell: called with the error when it has, before the socket closes.
    package final func checkCredential(telling tell: (APIError) -> Void) throws(APIError) {
        if services.authentication.stillKnows(caller) { return }
        let error = APIError(.unknownKey)
        tell(error)
        closeForKey()
        throw error
    }

    /// What its lines in the log begin with: the access line of the upgrade has the request's identifier and the same connection.
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

    /// Closes once what runs has come to its end here.
    final func closeWhenAtRest() {
        guard isOpen else { return }
        if isAtRest, !hasCommandsUnderWay {
            closeForRestart()
        } else {
            loop.schedule(after: .milliseconds(20)) { [weak self] in self?.closeWhenAtRest() }
        }
    }

    final func closeForRestart() { close(.serviceRestart, reason: "The server restarts. Connect again.") }

    final func endForRevokedKey() {
        guard isOpen else { return }
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
