/// Consecutive encoded events of one log page, as bytes to be stored. Retains the page, whose appended bytes never change: nothing
/// is copied, and any thread may read them.
package struct PageBytes: Sendable {
    private let page: LogPage
    private let start: Int
    private var end: Int

    /// The bytes of one event.
    package init(_ event: SessionEvent) {
        page = event.page
        start = event.offset
        end = event.end
    }

    private init(_ page: LogPage) {
        self.page = page
        start = 0
        end = page.used
    }

    /// Number of bytes.
    package var count: Int { end - start }

    /// Adds the bytes of the next event; false if they are not adjacent.
    package mutating func extend(with event: SessionEvent) -> Bool {
        guard event.page === page, event.offset == end else { return false }
        end = event.end
        return true
    }

    /// Adds later bytes; false if they are not adjacent.
    package mutating func extend(with later: PageBytes) -> Bool {
        guard later.page === page, later.start == end else { return false }
        end = later.end
        return true
    }

    /// The bytes; valid within the call.
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(page) { try body(page.bytes(start..<end)) }
    }

    /// A copy that does not retain the page: for a few bytes that stay for long.
    package func compacted() -> PageBytes {
        let copy = LogPage(firstPosition: 1, epoch: page.epoch, startOffset: 0, capacity: count)
        withBytes { bytes in
            copy.append(byteCount: bytes.count) {
                $0.copyMemory(from: bytes.baseAddress ?? UnsafeRawPointer($0), byteCount: bytes.count)
            }
        }
        return PageBytes(copy)
    }
}
