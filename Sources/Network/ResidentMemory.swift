import Glibc

/// The process's pages in memory, from `/proc/self/statm`: reading it does not block.
public struct ResidentMemory: Sendable {
    /// Bytes of all pages.
    public let total: Int
    /// Bytes of those that are not of a file: heap, stacks, data.
    public let anonymous: Int

    /// As of now; zeros if `/proc` cannot be read.
    public static var current: ResidentMemory {
        let pages = readPages()
        let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
        guard pages.count >= 3 else { return ResidentMemory(total: 0, anonymous: 0) }
        return ResidentMemory(total: pages[1] * pageByteCount, anonymous: max(0, pages[1] - pages[2]) * pageByteCount)
    }

    private static func readPages() -> [Int] {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ").compactMap { Int($0) }
    }
}
