import CZlib

/// Undoes the coding of one body as its bytes arrive, a step at a time: who owns it decides how much is done before others are
/// served. Confined to one thread.
public final class ContentDecoder {
    /// What zlib keeps for one body: a window of 32 KiB, and its tables.
    public static let stateByteCount = 42 << 10
    /// Decoded bytes of one step.
    public static let stepByteCount = 64 << 10
    /// Encoded bytes that one decoded byte pays for, and those that may stand unpaid: DEFLATE has blocks without content, whose tables
    /// cost work, and an honest encoder has few of them.
    private static let bytesPerByteMade = 16
    private static let maxUnpaidBytes = 16 << 10

    private enum State {
        /// The first two bytes say which of the two formats `deflate` stands for.
        case undecided([UInt8])
        case decoding
        /// Between two members, or behind the last.
        case ended
    }

    private let coding: ContentCoding
    private var state: State
    private var stream: UnsafeMutablePointer<czlib_stream>?
    private var unpaidBytes = 0
    /// Whether any member was there at all.
    private var hasBegun = false

    public init(_ coding: ContentCoding) {
        self.coding = coding
        state = coding == .gzip ? .ended : .undecided([])
    }

    deinit { close() }

    /// Takes some of `input`, and gives what comes of it to `body`, in at most two pieces.
    /// - Parameter maxBytes: encoded bytes to take at most.
    public func step(
        _ input: inout UnsafeRawBufferPointer, maxBytes: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(MessageError) {
        if case .undecided(let start) = state {
            guard let start = try decide(start, &input) else { return }
            try start.withUnsafeBufferPointer { (start) throws(MessageError) in
                var start = UnsafeRawBufferPointer(start)
                try run(&start, maxBytes: start.count, body)
            }
        }
        if input.count == 0, !holdsOutput { return }
        if case .ended = state {
            // Bytes behind the end are another member of gzip, or nothing that could be meant.
            guard coding == .gzip else { throw .malformedContentCoding }
            try open(windowBits: 15 + 16)
        }
        try run(&input, maxBytes: maxBytes, body)
    }

    /// Whether what was taken holds more output than the last step had room for. Call ``step(_:maxBytes:_:)`` again then, also
    /// without input.
    public private(set) var holdsOutput = false

    /// The body has come whole.
    public func finish() throws(MessageError) {
        defer { close() }
        switch state {
        case .ended where hasBegun: break
        // A body of no bytes is one of nothing.
        case .ended, .undecided([]): break
        case .undecided, .decoding: throw .malformedContentCoding
        }
    }

    /// Finds out which format it is.
    /// - Returns: the two bytes that were looked at; nil if more input is needed.
    private func decide(_ start: [UInt8], _ input: inout UnsafeRawBufferPointer) throws(MessageError) -> [UInt8]? {
        var start = start
        while start.count < 2, let byte = input.first {
            start.append(byte)
            input = input.slice(1, input.count)
        }
        state = .undecided(start)
        guard start.count == 2 else { return nil }
        // RFC 1950 §2.2: the method is 8, the window at most 32 KiB, and both bytes together a multiple of 31.
        let isWrapped = start[0] & 0x0F == 8 && start[0] >> 4 <= 7 && (Int(start[0]) << 8 | Int(start[1])) % 31 == 0
        try open(windowBits: isWrapped ? 15 : -15)
        return start
    }

    private func run(
        _ input: inout UnsafeRawBufferPointer, maxBytes: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(MessageError) {
        let part = input.slice(0, min(input.count, maxBytes))
        var outcome: Result<Int, MessageError> = .success(0)
        withUnsafeTemporaryAllocation(byteCount: Self.stepByteCount, alignment: 1) { room in
            do throws(MessageError) {
                let (taken, made) = try inflate(part, room)
                outcome = .success(taken)
                if made > 0 { body(UnsafeRawBufferPointer(room).slice(0, made)) }
            } catch {
                outcome = .failure(error)
            }
        }
        input = input.slice(try outcome.get(), input.count)
    }

    private func open(windowBits: Int32) throws(MessageError) {
        hasBegun = true
        state = .decoding
        if let stream {
            guard inflateReset(&stream.pointee.z) == Z_OK else { throw .malformedContentCoding }
            return
        }
        let made = UnsafeMutablePointer<czlib_stream>.allocate(capacity: 1)
        let status = windowBits < 0 ? czlib_inflate_init(made, -windowBits) : czlib_inflate_init_wrapped(made, windowBits)
        guard status == Z_OK else {
            made.deallocate()
            throw .noMemoryToDecode
        }
        stream = made
    }

    private func close() {
        guard let stream else { return }
        inflateEnd(&stream.pointee.z)
        stream.deallocate()
        self.stream = nil
    }

    private func inflate(
        _ input: UnsafeRawBufferPointer, _ room: UnsafeMutableRawBufferPointer
    ) throws(MessageError) -> (taken: Int, made: Int) {
        // A fault leaves nothing to come: zlib says the same for ever.
        holdsOutput = false
        guard let stream else { throw .malformedContentCoding }
        stream.pointee.z.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.z.avail_in = UInt32(input.count)
        stream.pointee.z.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.z.avail_out = UInt32(room.count)
        let status = CZlib.inflate(&stream.pointee.z, Z_NO_FLUSH)
        let taken = input.count - Int(stream.pointee.z.avail_in)
        let made = room.count - Int(stream.pointee.z.avail_out)
        switch status {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: state = .ended
        case Z_MEM_ERROR: throw .noMemoryToDecode
        default: throw .malformedContentCoding
        }
        unpaidBytes = max(0, unpaidBytes + taken - Self.bytesPerByteMade * made)
        guard unpaidBytes <= Self.maxUnpaidBytes else { throw .malformedContentCoding }
        holdsOutput = status != Z_STREAM_END && stream.pointee.z.avail_out == 0
        return (taken, made)
    }
}
