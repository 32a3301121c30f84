extension UnsafeMutableRawBufferPointer {
    /// Advances the start of the view.
    @inline(__always)
    mutating func removeFirst(_ byteCount: Int) {
        self = UnsafeMutableRawBufferPointer(start: baseAddress.map { $0 + byteCount }, count: count - byteCount)
    }

    /// Removes bytes from the start of the view.
    @inline(__always)
    mutating func takeFirst(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        let taken = UnsafeMutableRawBufferPointer(start: baseAddress, count: byteCount)
        removeFirst(byteCount)
        return taken
    }
}
