import Network
import WebSocket

/// All connected clients, by event loop: each message is sent to all other clients.
final class FanOut: Sendable {
    private let groups: [LoopBound<Group>]

    init(loops: [EventLoop]) {
        groups = loops.map { LoopBound(transferring: Group(), to: $0) }
    }

    /// Those whom one loop serves. Loop-confined.
    final class Group {
        private(set) var members: [FanOutSocket] = []

        func add(_ socket: FanOutSocket) {
            socket.place = members.count
            members.append(socket)
        }

        /// The last one takes its place: leaving costs the same in a crowd of any size.
        func remove(_ socket: FanOutSocket) {
            guard let last = members.popLast(), last !== socket else { return }
            last.place = socket.place
            members[socket.place] = last
        }

        func send(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer, except sender: FanOutSocket? = nil) {
            for member in members where member !== sender { member.deliver(kind, payload) }
        }
    }

    /// The group of a loop. Called on it.
    func group(of loop: EventLoop) -> Group { groups[loop.index].value }

    /// Other loops get one copy for all of their members.
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
    private let fanOut: FanOut
    /// In the members of its group.
    fileprivate(set) var place = 0

    init(_ transport: WebSocketTransport, _ fanOut: FanOut) {
        self.fanOut = fanOut
        super.init(transport)
        fanOut.group(of: loop).add(self)
    }

    override func receivedText(_ text: UnsafeRawBufferPointer) { fanOut.publish(.text, text, from: self) }
    override func receivedBinary(_ bytes: UnsafeRawBufferPointer) { fanOut.publish(.binary, bytes, from: self) }
    override func closed(_ end: ConnectionClosed) { fanOut.group(of: loop).remove(self) }

    /// Lossless or closed: who does not keep up is told to come again, and bounds what waits.
    func deliver(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) {
        if isCongested { close(.tryAgainLater, reason: "too slow") } else { send(kind, payload) }
    }
}
