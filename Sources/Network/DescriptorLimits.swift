import Glibc

/// How far each kind of user may go with the descriptors that the process may have open.
///
/// The kernel gives the lowest number that is free. So a descriptor's number tells, without any counting, that at least as many are
/// in use, by whomever: clients, upstreams, connections that wait to be used again, the database, files.
public struct DescriptorLimits: Sendable, Hashable {
    /// A client whose connection has this number or a higher one is refused.
    public let clients: Int32
    /// A connection to an upstream or another server that would have this number or a higher one is not made. What is above is for
    /// the database, files, and telling clients that they are refused.
    public let outgoing: Int32

    /// - Parameter total: descriptors that the process may have.
    public init(total: Int) {
        let total = Int32(clamping: total)
        // A fifth; where that is little, enough for a database and a handful of files.
        let reserve = max(total / 5, min(24, total / 4))
        clients = total - reserve
        outgoing = total - reserve / 2
    }

    /// Of this process, as its limit was when this was first asked for.
    public static let current: DescriptorLimits = {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return DescriptorLimits(total: .max) }
        return DescriptorLimits(total: Int(clamping: limit.rlim_cur))
    }()

    /// Whether there is no descriptor left for a connection to another server, at this moment.
    static var areExhausted: Bool {
        let probe = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard probe >= 0 else { return areExhausted(errno) }
        close(probe)
        return probe >= current.outgoing
    }

    /// Whether a system call failed for want of descriptors, of the process or of the machine.
    static func areExhausted(_ code: Int32) -> Bool { code == EMFILE || code == ENFILE }
}

/// A descriptor kept open for nothing, to be given up when there is no other: with it a client can still be taken and told that it
/// is refused, where else it would wait in the kernel's queue for an answer. Loop-confined.
final class SpareDescriptor {
    private var descriptor: Int32 = -1

    init() { refill() }

    deinit { release() }

    /// Runs `body` with one descriptor more to be had than before.
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
