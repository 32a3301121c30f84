import API
import Bytes
import HTTP
import Hosting
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions
import WebSocket

/// `GET /v1/responses` as a WebSocket: OpenAI's WebSocket mode, with the `interject:` commands added. `Protocols/responses.md`.
///
/// One socket carries many conversations: each *lane* (a `stream_id`, or none) is a queue of responses; each *joined* session
/// is followed in full.
final class ResponsesSocket: FaceSocket {
    /// Bounds of one connection.
    enum Limits {
        static let maxLanes = 32
        static let maxQueuedCreates = 64
        static let maxJoinedSessions = 64
        /// Total size of the commands that wait in lanes, in bytes; a single one may always wait.
        static let maxWaitingBytes = 16 << 20
    }

    /// Form of cuts for responses that specify none.
    let cutForm: CutForm
    var lanes: [String?: Lane] = [:]
    var joined: [String: JoinedSession] = [:] { didSet { joinCount &+= 1 } }
    /// Number of changes to ``joined``.
    private(set) var joinCount = 0
    /// Buffer for the end of an event, retained because each token has one.
    private var tail = ByteBuffer()
    let pass: EncodingPass<ResponsesEncoder>

    init(_ transport: WebSocketTransport, for call: Call, cutForm: CutForm) {
        self.cutForm = cutForm
        pass = call.services.sessions(on: call.loop).passes.pass(ResponsesEncoder.self)
        super.init(transport, for: call)
    }

    // MARK: Commands

    override func receivedText(_ text: UnsafeRawBufferPointer) {
        guard text.count >= LargeBody.leastByteCount else {
            take(Result { () throws(APIError) in try SocketCommand(text) })
            return
        }
        let bytes = [UInt8](text)
        runInOrder {
            bytes.withUnsafeBytes { bytes in Result { () throws(APIError) in try SocketCommand(bytes) } }
        } then: { [self] parsed in
            if hasEnded { return }
            if let parsed {
                take(parsed)
                WorkerPool.shared.release(parsed)
            } else {
                fail(.overloaded)
            }
        }
    }

    private func take(_ message: Result<SocketCommand, APIError>) {
        let command: SocketCommand
        do throws(APIError) {
            command = try message.get()
        } catch {
            return fail(error)
        }
        do throws(APIError) {
            if try handle(command) { logCommand(command.body) }
        } catch {
            fail(error, for: command.body)
        }
    }

    override func receivedBinary(_ bytes: UnsafeRawBufferPointer) {
        // The SDKs treat both kinds alike: JSON is JSON.
        if UTF8Validator.isValid(bytes) {
            receivedText(bytes)
        } else {
            fail(.invalid("A message must be JSON in UTF-8.", code: "invalid_json"))
        }
    }

    /// - Returns: false if the command was dropped.
    private func handle(_ command: SocketCommand) throws(APIError) -> Bool {
        let body = command.body
        guard let type = try checked(try body.optionalString("type")) else { throw .invalid("'type' is missing.", param: "type") }
        guard try authorize(type, body) else { return false }
        _ = try checked(try body.optionalString("client_event_id"))
        _ = try Self.streamID(body)
        switch type {
        // Cancelling and leaving are always allowed.
        case "interject:cancel", "interject:leave": break
        default:
            if services.lifecycle.isDraining { throw .shuttingDown }
            if type != "interject:join" { try checkCapacity() }
        }
        switch (type, command.kind) {
        case (_, .create(let command)): try create(body, command)
        case (_, .steer(let items)): try steer(body, items)
        case (_, .input(let request)): try input(body, try checked(try request.get()))
        case ("interject:join", _): try join(body)
        case ("interject:leave", _): try leave(body)
        case ("interject:cancel", _): try cancel(body)
        default:
            throw .invalid(
                "There is no command '\(type)'. Known: response.create, response.steer, interject:join, interject:leave, interject:input, interject:cancel.",
                param: "type", code: "unknown_command")
        }
        return true
    }

    /// Throws if the server accepts no new work.
    func checkCapacity() throws(APIError) {
        if services.sessions(on: loop).isOverloaded() { throw .overloaded }
        if let failure = services.storageFailure { throw failure }
    }

    // MARK: Sending

    /// Sends an event that is not in a log.
    func send(_ type: StaticString, for command: JSONObject?, _ body: (inout JSONObjectWriter) -> Void) {
        sendText { output in
            output.appendJSONObject { event in
                event.field("type", utf8: UnsafeRawBufferPointer(start: type.utf8Start, count: type.utf8CodeUnitCount))
                body(&event)
                Self.echo(command, to: &event)
            }
        }
    }

    /// Sends an event that is not in a log, already encoded.
    func send(text: UnsafeRawBufferPointer) {
        sendText(text, suffix: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    func fail(_ error: APIError, for command: JSONObject? = nil) {
        logCommand(command, refusal: error)
        send("error", for: command) { event in
            event.field("status", error.status.code)
            event.object("error") { error.write(to: &$0) }
        }
    }

    /// Copies the client's identifiers of its command into an event.
    static func echo(_ command: JSONObject?, to event: inout JSONObjectWriter) {
        if let id = command?["stream_id"]?.string { event.field("stream_id", id) }
        if let id = command?["client_event_id"]?.string { event.field("client_event_id", id) }
    }

    /// Sends an event of a log, with its position there and the lane that it belongs to.
    /// - Parameter retold: its JSON, if this socket gets it in another form than the log's.
    func send(_ event: SessionEvent, retold: [UInt8]? = nil, sessionID: String, suffix: borrowing ByteBuffer) {
        tail.clear()
        SequencedPayload.appendPosition(event, sessionID: sessionID, to: &tail)
        tail.append(suffix.bytes)
        tail.append("}" as StaticString)
        if let retold {
            retold.withUnsafeBytes { sendText(UnsafeRawBufferPointer(rebasing: $0.dropLast()), suffix: tail.bytes) }
        } else {
            sendText(UnsafeRawBufferPointer(rebasing: pass.bytes(of: event).dropLast()), suffix: tail.bytes)
        }
    }

    // MARK: Lanes and sessions

    /// The lane that a command names.
    static func streamID(_ body: JSONObject) throws(APIError) -> String? {
        guard let value = body["stream_id"], !value.isNull else { return nil }
        let id = value.string ?? ""
        let isValid =
            (1...256).contains(id.utf8.count)
            && id.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        guard isValid else {
            throw .invalid(
                "'stream_id' must be 1 to 256 letters, digits, '_', '.' or '-'.", param: "stream_id", code: "invalid_stream_id")
        }
        return id
    }

    /// Continues with a session of the caller, or sends an error if there is none.
    /// - Parameter otherwise: called after the error if there is none or `body` throws, and if the connection has ended.
    func findSession(
        _ id: String, for command: JSONObject, otherwise: (() -> Void)? = nil,
        _ body: @escaping (SessionReference) throws(APIError) -> Void
    ) {
        find(session: id) { [self] result in
            if !go(on: result, orElse: .notFound("session", id: id, code: "session_not_found"), for: command, body) { otherwise?() }
        }
    }

    /// Continues with the session of a response of the caller, or sends an error if there is none.
    func findSession(
        ofResponse id: String, for command: JSONObject, _ body: @escaping (SessionReference) throws(APIError) -> Void
    ) {
        find(response: id) { [self] result in
            go(on: result, orElse: .notFound("response", id: id, code: "response_not_found"), for: command, body)
        }
    }

    /// - Returns: whether `body` was called and did not throw.
    @discardableResult
    private func go(
        on result: Result<SessionReference?, APIError>, orElse missing: APIError, for command: JSONObject,
        _ body: (SessionReference) throws(APIError) -> Void
    ) -> Bool {
        if hasEnded { return false }
        do throws(APIError) {
            guard let reference = try result.get() else { throw missing }
            try body(reference)
            return true
        } catch {
            fail(error, for: command)
            return false
        }
    }

    /// Has a session carry out a command. A refusal is sent to the client, or passed to `refuse` if that is given.
    /// - Parameters:
    ///   - body: the message that contains the command.
    ///   - reader: attached as the command says.
    ///   - then: called with the outcome; an error that it throws counts as a refusal.
    func perform(
        _ command: SessionCommand.Kind, on session: SessionReference, for body: JSONObject, reader: EventReader? = nil,
        orElse refuse: ((SessionError) -> Void)? = nil, then: @escaping (SessionOutcome) throws(SessionError) -> Void
    ) {
        perform(command, on: session, reader: reader) { [self] outcome in
            do throws(SessionError) {
                try then(outcome)
            } catch {
                if let refuse { refuse(error) } else { fail(APIError(error), for: body) }
            }
        }
    }

    // MARK: The socket

    override var isAtRest: Bool { lanes.values.allSatisfy(\.isAtRest) && joined.values.allSatisfy(\.isAtRest) }

    override func tell(_ error: APIError) { fail(error) }

    /// Limits on age and idle time wait for running responses.
    override var isBusy: Bool { !lanes.values.allSatisfy(\.isAtRest) }

    override func describe(_ report: inout ConnectionReport) {
        report.counts = [("lanes", lanes.count), ("lanes_busy", lanes.values.count { $0.isBusy }), ("sessions", joined.count)]
    }

    override func drained() {
        for reader in lanes.values.flatMap(\.readers) { reader.resume() }
        for session in joined.values { session.goOn() }
    }

    override func closing() {
        for reader in lanes.values.flatMap(\.readers) { reader.acknowledgements.end() }
        for session in joined.values { session.acknowledgements.end() }
    }

    override func left() {
        let waiting = lanes.values.map { $0.close() }
        lanes = [:]
        for commands in waiting { startUnheard(commands[...]) }
        for session in joined.values { session.leave() }
        joined = [:]
    }
}
