import Glibc

/// How many of the process's file descriptors each kind of use may take.
///
/// The kernel assigns the lowest free number. So a descriptor's number is a lower bound of the number in use, without counting:
/// clients, upstreams, pooled connections, the database, files.
public struct DescriptorLimits: Sendable, Hashable {
    /// Client connections with this or a higher number are refused.
    public let clients: Int32
    /// Outgoing connections with this or a higher number are not opened. The rest is reserved for the database, files, and refusing
    /// clients.
    public let outgoing: Int32

    /// - Parameter total: the process's limit.
    public init(total: Int) {
        let total = Int32(clamping: total)
        // A fifth; if that is small, enough for a database and a few files.
        let reserve = max(total / 5, min(24, total / 4))
        clients = total - reserve
        outgoing = total - reserve / 2
    }

    /// The limits of this process, computed on first use.
    public static let current: DescriptorLimits = {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return DescriptorLimits(total: .max) }
        return DescriptorLimits(total: Int(clamping: limit.rlim_cur))
    }()

    /// Whether there is currently no descriptor for an outgoing connection.
    static var areExhausted: Bool {
        let probe = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard probe >= 0 else { return areExhausted(errno) }
        close(probe)
        return probe >= current.outgoing
    }

    /// Whether a system call failed for lack of descriptors, of the process or the machine.
    static func areExhausted(_ code: Int32) -> Bool { code == EMFILE || code == ENFILE }
}

/// A spare descriptor, closed when none is left, so that a client can still be accepted and refused instead of waiting in the
/// kernel's queue. Loop-confined.
final class SpareDescriptor {
    private var descriptor: Int32 = -1

    init() { refill() }

    deinit { release() }

    /// Runs `body` with one more descriptor available.
    func lend(_ body: () -> Void) {
        release()
        body()
        refill()
    }

    var isThere: Bool { descriptor >= 0 }

    func refill() {
        if descriptor < 0 { descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC) }
    }

    private func release() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}
