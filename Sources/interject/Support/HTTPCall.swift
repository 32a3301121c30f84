import Bytes
import Glibc
import HTTP
import Network

/// One HTTP/1.1 request to a server near by, and its answer as it comes. Loop-confined; the loop keeps it alive.
final class HTTPCall: Connection {
    /// What to ask.
    struct Request: Sendable {
        var method = HTTPMethod.get
        /// Path and query.
        var target: String
        var fields: [(name: String, value: String)] = []
        var body: [UInt8]?
    }

    /// Why there is no whole answer.
    enum Failure: Error, Sendable, CustomStringConvertible {
        case notConnected(errno: Int32)
        case insecure(TLSError)
        case notHTTP(String)
        case cut
        case timeout

        var description: String {
            switch self {
            case .notConnected(let code): String(cString: strerror(code))
            case .insecure(let error): "\(error)"
            case .notHTTP(let error): "what answers there is not HTTP (\(error))"
            case .cut: "the connection was cut"
            case .timeout: "no answer in time"
            }
        }
    }

    /// Called on the loop, in this order; `ended` once, with nil after a whole answer.
    struct Handlers {
        var head: (ResponseHead) -> Void = { _ in }
        var body: (UnsafeRawBufferPointer) -> Void = { _ in }
        var ended: (Failure?) -> Void
    }

    private let request: Request
    private let host: String
    private let handlers: Handlers
    private var parser = ResponseParser()
    private var hasEnded = false
    private var deadline: LoopTimer?

    /// - Parameter headTimeout: how long the answer's head may take; the body may take for ever.
    @discardableResult
    static func start(
        _ request: Request, to server: ServerURL, headTimeout: Duration = .seconds(10), on loop: EventLoop, _ handlers: Handlers
    ) throws(SystemCallError) -> HTTPCall {
        let call = HTTPCall(
            loop: loop, descriptor: try connectingSocket(to: server.address), request: request, host: server.host,
            layer: server.layer(), headTimeout: headTimeout, handlers)
        try call.start()
        return call
    }

    private init(
        loop: EventLoop, descriptor: Int32, request: Request, host: String, layer: SocketLayer?, headTimeout: Duration,
        _ handlers: Handlers
    ) {
        self.request = request
        self.host = host
        self.handlers = handlers
        super.init(loop: loop, descriptor: descriptor, isConnecting: true, layer: layer)
        deadline = loop.schedule(after: headTimeout) { [weak self] in self?.end(.timeout) }
    }

    override func connected() {
        var writer = RequestWriter()
        do throws(FieldError) {
            try writer.begin(request.method, target: request.target, host: host, into: &output)
            for field in request.fields { try writer.field(field.name, field.value, into: &output) }
            if request.body != nil { try writer.field("Content-Type", "application/json", into: &output) }
            try writer.field("Connection", "close", into: &output)
        } catch {
            end(.notHTTP("\(error)"))
            return
        }
        writer.endHead(request.body.map { .bytes($0.count) }, into: &output)
        request.body?.withUnsafeBytes { writer.write($0, into: &output) }
        writer.end(into: &output)
        scheduleFlush()
    }

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        var input = UnsafeRawBufferPointer(bytes)
        do throws(MessageError) {
            while !hasEnded {
                switch try parser.next(&input) {
                case .needsMoreBytes: return
                case .head(let head):
                    deadline?.cancel()
                    handlers.head(head)
                case .body(let part): handlers.body(part)
                case .end: end(nil)
                }
            }
        } catch {
            end(.notHTTP("\(error)"))
        }
    }

    override func inputClosed() {
        let isWhole = (try? parser.finish()) ?? false
        end(isWhole ? nil : .cut)
    }

    override func ended(_ end: End) {
        switch end {
        case .failed(let code): self.end(.notConnected(errno: code))
        case .insecure(let error): self.end(.insecure(error))
        case .closed, .lingerTimeout: self.end(.cut)
        }
    }

    /// Ends the call without calling any handler.
    func cancel() {
        hasEnded = true
        deadline?.cancel()
        abort()
    }

    private func end(_ failure: Failure?) {
        if hasEnded { return }
        cancel()
        handlers.ended(failure)
    }
}

/// A whole answer.
struct HTTPAnswer: Sendable {
    var status: Int
    var body: [UInt8]
}

extension HTTPCall {
    /// Bytes of an answer's body that ``ask(_:of:timeout:on:_:)`` keeps.
    static var maxAnswerBytes: Int { 4 << 20 }

    /// Asks, and calls `done` on the loop with the whole answer. Loop only.
    static func ask(
        _ request: Request, of server: ServerURL, timeout: Duration = .seconds(10), on loop: EventLoop,
        _ done: @escaping (Result<HTTPAnswer, Failure>) -> Void
    ) {
        var answer = HTTPAnswer(status: 0, body: [])
        let handlers = Handlers(
            head: { answer.status = $0.status.code },
            body: { answer.body.append(contentsOf: $0.prefix(maxAnswerBytes - answer.body.count)) },
            ended: { failure in done(failure.map { .failure($0) } ?? .success(answer)) })
        do throws(SystemCallError) {
            let call = try start(request, to: server, headTimeout: timeout, on: loop, handlers)
            // A body that trickles must not hold the caller for ever either.
            loop.schedule(after: timeout * 2) { [weak call] in call?.end(.timeout) }
        } catch {
            done(.failure(.notConnected(errno: error.code)))
        }
    }

    /// Asks and waits for the whole answer. From any thread.
    static func answer(
        to request: Request, from server: ServerURL, timeout: Duration = .seconds(10), on loop: EventLoop
    ) async -> Result<HTTPAnswer, Failure> {
        await withCheckedContinuation { continuation in
            loop.execute { ask(request, of: server, timeout: timeout, on: loop) { continuation.resume(returning: $0) } }
        }
    }
}
