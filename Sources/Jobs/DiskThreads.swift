import Dispatch
import Synchronization

/// Threads for blocking file I/O. A few, however many files are in use; each file stays on one of them, so that its bytes stay in
/// order.
final class DiskThreads: Sendable {
    private let queues: [DispatchQueue]
    private let count = Atomic<Int>(0)

    init(_ threadCount: Int = 4) {
        queues = (0..<threadCount).map { DispatchQueue(label: "interject.files.\($0)") }
    }

    /// The thread for the next file.
    func next() -> DispatchQueue { queues[Int(count.add(1, ordering: .relaxed).newValue % queues.count)] }
}
