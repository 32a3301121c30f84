import CLinux
import Synchronization

/// The kernel's random numbers, fetched many at a time: an input takes several identifiers, and a system call for each word of them
/// would cost more than the checks of the input. Thread-safe.
final class RandomWords: Sendable {
    static let shared = RandomWords()

    /// Words of one fetch: 240 bytes, which getrandom(2) returns whole.
    private static let count = 30

    private let unused = Mutex<[UInt64]>([])

    /// Three words that no other call returns.
    func next() -> (UInt64, UInt64, UInt64) {
        unused.withLock { unused in
            if unused.isEmpty { unused = Self.fetch() }
            let first = unused.count - 3
            let words = (unused[first], unused[first + 1], unused[first + 2])
            unused.removeLast(3)
            return words
        }
    }

    private static func fetch() -> [UInt64] {
        // number-safe: a constant
        var words = [UInt64](repeating: 0, count: count)
        let byteCount = words.withUnsafeMutableBytes { clinux_random($0.baseAddress, $0.count) }
        guard byteCount == count * MemoryLayout<UInt64>.size else {
            // A kernel without the call, or a sandbox that forbids it.
            var generator = SystemRandomNumberGenerator()
            return words.map { _ in generator.next() }
        }
        return words
    }
}
