import Bytes
import Glibc
import Network

/// The kernel's statistics of this process, under Prometheus' usual names.
package struct ProcessStatistics: Sendable {
    let cpuSeconds: Double
    let residentBytes: Int
    let openDescriptors: Int
    let maxDescriptors: Int
    let startTimeSeconds: Double

    /// When the program began to serve, in seconds since 1970; close enough to its start.
    package static let startTime = Double(SystemClock.unixNanoseconds) / 1e9

    /// Reads `/proc`, which is in memory and does not block.
    init() {
        cpuSeconds = Double(SystemClock.processNanoseconds) / 1e9
        residentBytes = ResidentMemory.current.total
        openDescriptors = Self.countDescriptors()
        maxDescriptors = Self.descriptorLimit
        startTimeSeconds = Self.startTime
    }

    /// Maximum number of open descriptors.
    package static var descriptorLimit: Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    private static func countDescriptors() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // ".", ".." and the directory itself.
        return max(0, count - 3)
    }
}
