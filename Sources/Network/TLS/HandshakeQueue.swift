/// TLS handshakes of a loop that wait for their next step. Loop-confined.
///
/// A step costs up to a millisecond of arithmetic. Without rationing, a storm of reconnects would stand between a live
/// connection and its turn; so each turn of the loop serves the live ones and then takes a few steps.
struct HandshakeQueue: ~Copyable {
    /// Steps in one turn: what a live connection waits for them at most, some two milliseconds with RSA keys.
    static let stepsPerTurn = 4

    private var waiting: [Connection] = []
    private var head = 0

    var isEmpty: Bool { head == waiting.count }

    mutating func append(_ connection: Connection) { waiting.append(connection) }

    /// The next one in the order of their arrival.
    mutating func next() -> Connection? {
        if isEmpty { return nil }
        let connection = waiting[head]
        head += 1
        if head == waiting.count {
            waiting.removeAll(keepingCapacity: waiting.capacity <= 1024)
            head = 0
        } else if head >= 1024 {
            waiting.removeFirst(head)
            head = 0
        }
        return connection
    }
}
