import Glibc

/// Memory of blocks that are many pages long.
///
/// The kernel gives memory page by page as it is touched: to fill 16 MiB of fresh memory takes 4096 faults, which cost several times what
/// the copying does. Where the system leaves huge pages to who asks (`madvise`, the default of most), it is eight.
public enum LargeMemory {
    /// What is smaller comes from the allocator's heap, and is used again and again.
    @usableFromInline static let leastByteCount = 4 << 20
    private static let pageByteCount = 4096

    /// Asks for huge pages for a block that is about to be filled. A system that has none refuses, and nothing is lost.
    @usableFromInline static func willFill(_ start: UnsafeMutableRawPointer, byteCount: Int) {
        guard byteCount >= leastByteCount else { return }
        let first = Int(bitPattern: start).roundedUp(toPages: pageByteCount)
        // number-safe: addresses of a block that the allocator gave us
        let end = Int(bitPattern: start) + byteCount
        guard let page = UnsafeMutableRawPointer(bitPattern: first) else { return }
        _ = madvise(page, end / pageByteCount * pageByteCount - first, MADV_HUGEPAGE)
    }
}

extension Int {
    fileprivate func roundedUp(toPages pageByteCount: Int) -> Int {
        // number-safe: an address, far from the end of its range
        (self + pageByteCount - 1) / pageByteCount * pageByteCount
    }
}
