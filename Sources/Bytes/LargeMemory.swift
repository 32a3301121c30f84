import Glibc

/// Huge pages for large blocks.
///
/// The kernel maps memory page by page on first touch: filling 16 MiB takes 4,096 page faults, which cost several times the copying
/// itself. With huge pages on request (`madvise`, the default of most systems) it takes eight.
public enum LargeMemory {
    /// Smaller blocks come from the allocator's heap, whose pages are already mapped.
    @usableFromInline static let leastByteCount = 4 << 20
    private static let pageByteCount = 4096

    /// Requests huge pages for a block that is about to be filled. No effect if the system has none.
    public static func willFill(_ start: UnsafeMutableRawPointer, byteCount: Int) {
        guard byteCount >= leastByteCount else { return }
        let pages = pages(of: Int(bitPattern: start), byteCount: byteCount)
        guard let page = UnsafeMutableRawPointer(bitPattern: pages.lowerBound) else { return }
        _ = madvise(page, pages.count, MADV_HUGEPAGE)
    }

    /// All pages that the block touches, including partial ones. Advising only a part of a mapping splits it, and `mremap` cannot
    /// move a split mapping: the allocator would copy the block each time it grows.
    static func pages(of start: Int, byteCount: Int) -> Range<Int> {
        // number-safe: addresses of a block that the allocator gave us, far from the end of their range
        start / pageByteCount * pageByteCount..<(start + byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
    }
}
