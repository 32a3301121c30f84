import Network
import WebSocket

/// All connected clients by event loop; a message is sent to all other clients.
final class FanOut: Sendable {
    private let groups: [LoopBound<Group>]

    init(loops: [EventLoop]) {
        groups = loops.map { LoopBound(transferring: Group(), to: $0) }
    }

    /// The clients of one loop. Loop-confined.
    final class Group {
        private(set) var members: [FanOutSocket] = []

        func add(_ socket: FanOutSocket) {
            socket.index = members.count
            members.append(socket)
        }

        /// The last member moves to the freed index, so that leaving takes constant time.
        func remove(_ socket: FanOutSocket) {
            guard let last = members.popLast(), last !== socket else { return }
            last.index = socket.index
            members[socket.index] = last
        }

        func send(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer, except sender: FanOutSocket? = nil) {
            for member in members where member !== sender { member.deliver(kind, payload) }
        }
    }

    /// The group of a loop, to be used on it.
    func group(of loop: EventLoop) -> Group { groups[loop.index].value }

    /// Broadcasts a message. Every other loop receives one copy for all of its members.
    func publish(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer, from sender: FanOutSocket) {
        group(of: sender.loop).send(kind, payload, except: sender)
        if groups.count == 1 { return }
        let copy = Array(payload)
        for group in groups where group.loop !== sender.loop {
            group.run { group in copy.withUnsafeBytes { group.send(kind, $0) } }
        }
    }
}

/// A connection of ``FanOut``.
final class FanOutSocket: WebSocketConnection {
    /// Unsent bytes, one message of the largest size, above which a client does not keep up.
    private static let maxWaitingBytes = WebSocketLimits().maxMessageBytes

    private let fanOut: FanOut
    /// Index in the members of its group.
    fileprivate(set) var index = 0

    init(_ transport: WebSocketTransport, _ fanOut: FanOut) {
        self.fanOut = fanOut
        super.init(transport)
        fanOut.group(of: loop).add(self)
    }

    override func receivedText(_ text: UnsafeRawBufferPointer) { fanOut.publish(.text, text, from: self) }
    override func receivedBinary(_ bytes: UnsafeRawBufferPointer) { fanOut.publish(.binary, bytes, from: self) }
    override func closed(_ end: ConnectionClosed) { fanOut.group(of: loop).remove(self) }

    /// Lossless or closed: a client that does not keep up is disconnected, which bounds the buffered output.
    func deliver(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) {
        if waitingOutputBytes > Self.maxWaitingBytes { close(.tryAgainLater, reason: "too slow") } else { send(kind, payload) }
    }
}
