/// TLS handshakes of a loop that wait for their next step. Loop-confined.
///
/// A step takes up to a millisecond of CPU. So that a reconnect storm does not delay established connections, each loop iteration
/// serves these first, then performs a few steps.
struct HandshakeQueue: ~Copyable {
    /// Steps per iteration: they delay established connections by about two milliseconds with RSA keys.
    static let stepsPerTurn = 4

    private var waiting: [Connection] = []
    private var head = 0

    var isEmpty: Bool { head == waiting.count }

    mutating func append(_ connection: Connection) { waiting.append(connection) }

    /// The next one in order of arrival.
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
