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
        let pages = pages(of: Int(bitPattern: start), byteCount: byteCount)
        guard let page = UnsafeMutableRawPointer(bitPattern: pages.lowerBound) else { return }
        _ = madvise(page, pages.count, MADV_HUGEPAGE)
    }

    /// The pages that a block stands in, also with a part of one: a mapping of which only a part is advised is split, and `mremap` moves
    /// no more than one. The allocator would copy the block each time that it grows.
    static func pages(of start: Int, byteCount: Int) -> Range<Int> {
        // number-safe: addresses of a block that the allocator gave us, far from the end of their range
        start / pageByteCount * pageByteCount..<(start + byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
    }
}
