import Glibc

/// The input file of a batch, with the offsets of its lines.
struct BatchInput: Sendable {
    let reader: FileReader
    /// Byte range of each request in the file, without empty lines.
    let lines: [Range<Int>]

    static let pieceByteCount = 256 << 10

    func line(_ index: Int) async throws(JobError) -> [UInt8] {
        try await reader.read(at: lines[index].lowerBound, count: lines[index].count)
    }

    /// Finds the lines without parsing them.
    static func open(_ reader: FileReader, _ limits: BatchLimits) async throws(JobError) -> BatchInput {
        var lines: [Range<Int>] = []
        var cutter = LineCutter(maxLineBytes: limits.maxLineBytes)
        try await cutter.read(reader) { line, _, _ in
            lines.append(line)
            return true
        }
        return BatchInput(reader: reader, lines: lines)
    }
}

/// Result of validating an input file.
struct BatchValidation: Sendable {
    var lines: [Range<Int>] = []
    var model: String?
    var faults: [Batch.Fault] = []

    /// Reads the file in pieces and validates each line.
    static func validate(
        _ reader: FileReader, endpoint: BatchEndpoint, limits: BatchLimits
    ) async throws(JobError) -> BatchValidation {
        var found = BatchValidation()
        var customIDs: Set<String> = []
        var cutter = LineCutter(maxLineBytes: limits.maxLineBytes)
        try await cutter.read(reader) { range, number, line in
            found.lines.append(range)
            if found.lines.count > limits.maxLines {
                found.faults = [
                    Batch.Fault(
                        code: "too_many_tasks", message: "The input file has more than \(limits.maxLines) requests.", line: number)
                ]
                return false
            }
            do throws(Batch.Fault) {
                guard let line else {
                    throw Batch.Fault(
                        code: "line_too_long", message: "This line is longer than \(limits.maxLineBytes) bytes.", line: number)
                }
                let request = try BatchRequest(line, endpoint: endpoint, limits: limits)
                guard customIDs.insert(request.customID).inserted else {
                    throw Batch.Fault(
                        code: "duplicate_custom_id", message: "'custom_id' must be unique; an earlier line has the same one.",
                        param: "custom_id")
                }
                guard found.model == nil || found.model == request.model else {
                    throw Batch.Fault(
                        code: "model_mismatch", message: "'body.model' must be the same in all lines.", param: "body.model")
                }
                found.model = request.model
            } catch {
                var fault = error
                fault.line = number
                found.faults.append(fault)
            }
            return found.faults.count < limits.maxFaults
        }
        if found.lines.isEmpty {
            found.faults = [Batch.Fault(code: "empty_file", message: "The input file has no requests.")]
        }
        return found
    }
}

/// Splits a file into lines, piece by piece.
struct LineCutter {
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    let maxLineBytes: Int
    /// The beginning of a line that continues in the next piece.
    private var partial: [UInt8] = []
    private var start = 0
    private var number = 1
    private var isTooLong = false

    init(maxLineBytes: Int) { self.maxLineBytes = maxLineBytes }

    /// - Parameter take: receives the line's byte range, its number from 1, and its bytes (nil if too long); not called for empty
    ///   lines. Returns whether to continue.
    mutating func read(
        _ reader: FileReader, _ take: (Range<Int>, Int, [UInt8]?) -> Bool
    ) async throws(JobError) {
        var offset = 0
        while offset < reader.byteCount {
            let piece = try await reader.read(at: offset, count: BatchInput.pieceByteCount)
            // A shorter file would silently drop requests.
            if piece.isEmpty { throw .storageUnavailable(reason: "the input file is shorter than it was") }
            guard cut(piece[...], at: offset, take) else { return }
            offset += piece.count
        }
        _ = endLine(at: offset, take)
    }

    private mutating func cut(_ piece: ArraySlice<UInt8>, at offset: Int, _ take: (Range<Int>, Int, [UInt8]?) -> Bool) -> Bool {
        var rest = piece
        while let lineFeed = rest.withUnsafeBytes({ bytes in
            bytes.baseAddress.flatMap { memchr($0, 0x0A, bytes.count) }.map {
                UnsafeRawPointer($0) - (bytes.baseAddress ?? UnsafeRawPointer($0))
            }
        }) {
            gather(rest.prefix(lineFeed))
            rest = rest.dropFirst(lineFeed + 1)
            guard endLine(at: offset + (rest.startIndex - piece.startIndex) - 1, take) else { return false }
            start = offset + (rest.startIndex - piece.startIndex)
        }
        gather(rest)
        return true
    }

    private mutating func gather(_ bytes: ArraySlice<UInt8>) {
        if isTooLong { return }
        if partial.count + bytes.count > maxLineBytes {
            isTooLong = true
            partial = []
        } else {
            partial += bytes
        }
    }

    private mutating func endLine(at end: Int, _ take: (Range<Int>, Int, [UInt8]?) -> Bool) -> Bool {
        defer {
            partial.removeAll(keepingCapacity: partial.capacity < 1 << 20)
            isTooLong = false
            number += 1
        }
        // Windows editors write a byte order mark, and files get concatenated: ignore it (RFC 8259 §8.1).
        if partial.starts(with: Self.byteOrderMark) {
            partial.removeFirst(Self.byteOrderMark.count)
            start += Self.byteOrderMark.count
        }
        let isBlank = !isTooLong && partial.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
        return isBlank || take(start..<end, number, isTooLong ? nil : partial)
    }
}
