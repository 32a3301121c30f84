import Glibc

/// The limit on files and sockets that the process may have open.
struct DescriptorLimit {
    var soft: UInt
    var hard: UInt

    static var current: DescriptorLimit {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return DescriptorLimit(soft: limit.rlim_cur, hard: limit.rlim_max)
    }

    /// Raises the soft limit to the hard limit: every connection needs a descriptor, and the usual 1,024 are few.
    @discardableResult
    static func raise() -> DescriptorLimit {
        let now = current
        if now.soft < now.hard {
            var wanted = rlimit(rlim_cur: now.hard, rlim_max: now.hard)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &wanted)
        }
        return current
    }
}
