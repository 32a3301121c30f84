import Testing

@testable import Bytes

/// Large blocks are given huge pages, and grow without being copied.
@Suite struct LargeMemoryTests {
    private static let page = 4096
    private static let byteCount = 8 << 20

    /// As the allocator has them: two words before the block, and whole pages in all.
    @Test func theWholeMappingIsAdvised() {
        let mapping = 1 << 40
        let pages = LargeMemory.pages(of: mapping + 16, byteCount: Self.byteCount)
        #expect(pages == mapping..<mapping + Self.byteCount + Self.page)
    }

    @Test(arguments: [0, 1, 16, 4095, 4096]) func noPageOfABlockIsLeftOut(_ offset: Int) {
        let start = 1 << 40 + offset
        for byteCount in [Self.byteCount - 1, Self.byteCount, Self.byteCount + 1] {
            let pages = LargeMemory.pages(of: start, byteCount: byteCount)
            #expect(pages.lowerBound <= start && start + byteCount <= pages.upperBound)
            #expect(pages.lowerBound % Self.page == 0 && pages.upperBound % Self.page == 0)
            #expect(pages.count < byteCount + 2 * Self.page)
        }
    }

    @Test func whatABufferHoldsMovesWithIt() {
        var buffer = ByteBuffer(capacity: Self.byteCount)
        let words = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for _ in 0..<1536 { buffer.append(words) }
        buffer.reserve(8 * Self.byteCount)
        #expect(buffer.count == 1536 * words.count && buffer.array == Array(repeatElement(words, count: 1536).joined()))
    }
}
