/// The beginning of an incomplete frame header, stored inline.
struct HeaderSpill {
    private var storage: (UInt64, UInt64) = (0, 0)
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Whether the header is complete, as given by its second byte.
    var isWholeHeader: Bool { count >= 2 && count == FrameHeader.byteCount(secondByte: self[1]) }

    subscript(offset: Int) -> UInt8 {
        let word = offset < 8 ? storage.0 : storage.1
        return UInt8(truncatingIfNeeded: UInt64(littleEndian: word) >> (UInt64(offset & 7) * 8))
    }

    mutating func append(_ byte: UInt8) {
        let bits = (UInt64(byte) << (UInt64(count & 7) * 8)).littleEndian
        if count < 8 { storage.0 |= bits } else { storage.1 |= bits }
        count += 1
    }

    mutating func removeAll() {
        storage = (0, 0)
        count = 0
    }

    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafePointer(to: storage) { pointer throws(Failure) in try body(UnsafeRawPointer(pointer)) }
    }
}
