import JSON
import Sessions

/// How events stand in the log's blobs: one after the other, each with a head of six numbers before its payload.
///
/// The head: the key of the response (0 for none), the sequence within it plus one, where its delta begins and how long it is, the
/// output index, the payload's length. Numbers are varints (LEB128). An event's own sequence is its place: blobs have no gaps.
enum EventCoding {
    static func append(_ event: LogEvent, response: Int, to bytes: inout [UInt8]) {
        append(
            event.payload, response: response, responseSequence: event.responseSequence, delta: event.delta,
            outputIndex: event.outputIndex, to: &bytes)
    }

    static func append(
        _ payload: [UInt8], response: Int, responseSequence: Int, delta: Range<Int>, outputIndex: Int, to bytes: inout [UInt8]
    ) {
        appendHead(
            payload.count, response: response, responseSequence: responseSequence, delta: delta, outputIndex: outputIndex,
            to: &bytes)
        bytes.append(contentsOf: payload)
    }

    /// What stands before a payload of that many bytes.
    static func appendHead(
        _ payloadByteCount: Int, response: Int, responseSequence: Int, delta: Range<Int>, outputIndex: Int, to bytes: inout [UInt8]
    ) {
        appendNumber(response, to: &bytes)
        appendNumber(responseSequence + 1, to: &bytes)
        appendNumber(delta.lowerBound, to: &bytes)
        appendNumber(delta.count, to: &bytes)
        appendNumber(outputIndex, to: &bytes)
        appendNumber(payloadByteCount, to: &bytes)
    }

    /// - Parameter number: counts and keys of ours. A negative one, which only a file that somebody changed has, stands as 0.
    static func appendNumber(_ number: Int, to bytes: inout [UInt8]) {
        var rest = UInt64(clamping: number)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}

/// An event as it stands in a blob, which it points into.
struct EncodedEvent {
    /// 0 for none.
    var response: Int
    var responseSequence: Int
    var delta: Range<Int>
    var outputIndex: Int
    var payload: UnsafeRawBufferPointer

    func decoded(sequence: Int, endOffset: Int, _ references: [Int: ResponseReference]) throws -> LogEvent {
        let payload = [UInt8](payload)
        guard let type = EventType(payload: payload) else { throw MalformedRecord(record: "event") }
        return LogEvent(
            sequence: sequence, type: type, response: response == 0 ? nil : references[response],
            responseSequence: responseSequence, payload: payload, delta: delta, outputIndex: outputIndex, endOffset: endOffset)
    }

    /// As ``Sessions/LogEvent/byteCount``.
    var byteCount: Int { LogEvent.byteCount(ofPayload: payload.count) }
}

/// Reads a blob from its beginning. What a file holds may be broken: nothing outside of the blob is ever read.
struct EventDecoder {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func number() throws -> Int {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count, shift < 63 {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return Int(value) }
            shift += 7
        }
        throw MalformedRecord(record: "event")
    }

    mutating func slice(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard count <= bytes.count - position else { throw MalformedRecord(record: "event") }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
    }

    mutating func event() throws -> EncodedEvent {
        let response = try number()
        let responseSequence = try number() - 1
        let (start, length) = (try number(), try number())
        let outputIndex = try number()
        let payload = try slice(try number())
        guard start <= payload.count, length <= payload.count - start else { throw MalformedRecord(record: "event") }
        return EncodedEvent(
            response: response, responseSequence: responseSequence, delta: start..<(start + length), outputIndex: outputIndex,
            payload: payload)
    }
}
