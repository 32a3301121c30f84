import Bytes
import Glibc
import HTTP
import Network
import WebSocket

/// Reads a log to its end over connections that break: after each loss it comes back with what it has, by the other way.
/// Loop-confined.
final class LogReader {
    /// What each connection goes through, by its number from 0: our end's and the server's.
    typealias Layers = (_ number: Int) -> (client: SocketLayer?, server: SocketLayer?)

    /// And not who drives it: its end ends the loop, which holds what is still open of us.
    private let loop: EventLoop
    private let server: HTTPServer
    private let layers: Layers
    private(set) var events: [String] = []
    private(set) var connectionCount = 0
    private(set) var isComplete = false
    /// Trouble that a broken connection does not explain.
    private(set) var complaints: [String] = []

    init(_ loop: EventLoop, _ server: HTTPServer, _ layers: @escaping Layers) {
        self.loop = loop
        self.server = server
        self.layers = layers
    }

    func connect() {
        let number = connectionCount
        connectionCount += 1
        let layers = layers(number)
        do {
            let (near, far) = try LoopDrive.pair()
            server.serve(near, on: loop, layer: layers.server)
            if number % 2 == 0 {
                try WebSocketClient.start(
                    over: far, target: "/ws", host: "test", layer: layers.client, on: loop,
                    opened: { SocketReader($0, self) }, failed: { _ in self.lost() })
            } else {
                try StreamReader(loop: loop, descriptor: far, layer: layers.client, self).start()
            }
        } catch {
            complaints.append("\(error)")
        }
    }

    fileprivate func received(_ event: String) { events.append(event) }
    fileprivate func completed() { isComplete = true }
    fileprivate func complain(_ text: String) { complaints.append(text) }

    fileprivate func lost() {
        if isComplete { return }
        loop.schedule(after: .zero) { self.connect() }
    }
}

private final class SocketReader: WebSocketConnection {
    private let reader: LogReader

    init(_ transport: WebSocketTransport, _ reader: LogReader) {
        self.reader = reader
        super.init(transport)
        sendText { $0.append(decimal: reader.events.count) }
    }

    override func receivedText(_ text: UnsafeRawBufferPointer) { reader.received(String(decoding: text, as: UTF8.self)) }

    override func closed(_ end: ConnectionClosed) {
        switch end.code {
        case .normal: reader.completed()
        case .abnormal: reader.lost()
        default: reader.complain("closed \(end.code) \(end.reason)")
        }
    }
}

private final class StreamReader: Connection {
    private let reader: LogReader
    private var response = ResponseParser()
    private var stream = ServerSentEventParser()
    private var isOver = false

    init(loop: EventLoop, descriptor: Int32, layer: SocketLayer?, _ reader: LogReader) {
        self.reader = reader
        super.init(loop: loop, descriptor: descriptor, isConnecting: true, layer: layer)
    }

    override func connected() {
        output.append("GET /events?after=\(reader.events.count) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    }

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        var input = UnsafeRawBufferPointer(bytes)
        do {
            while !isOver {
                switch try response.next(&input) {
                case .needsMoreBytes: return
                case .head(let head): if head.status != .ok { reader.complain("status \(head.status.code)") }
                case .body(var part):
                    while let event = try stream.next(&part) { reader.received(event.dataText) }
                case .end:
                    isOver = true
                    reader.completed()
                    finish()
                }
            }
        } catch {
            reader.complain("\(error)")
        }
    }

    override func ended(_ end: End) {
        if isOver { return }
        isOver = true
        reader.lost()
    }
}
