import Bytes
import Glibc
import JSON

/// What stands around the text of a chunk. Of most servers, the chunks of an answer differ in nothing but their text: the next one is
/// compared with the frame of the last, and only its text is parsed.
///
/// A text is delivered only once all of its chunk is validated. That holds here, too: what equals a frame was parsed before, and its
/// text is parsed as strictly as in a whole chunk.
struct ChunkFrame: ~Copyable {
    /// Larger frames are not stored, in bytes.
    static let maxByteCount = 1024
    /// Consecutive frames that no chunk equalled, after which none is stored: some servers write something new in each chunk.
    static let maxMissCount = 8

    /// What precedes the text's opening quote, then what follows its closing quote. Empty: no frame.
    private var bytes = ByteBuffer()
    private var headByteCount = 0
    private var missCount = 0

    /// The text of a chunk that differs from the last one in nothing else; nil for any other, which must be parsed whole.
    /// - Parameter json: a chunk.
    mutating func text(of json: UnsafeRawBufferPointer) -> RawString? {
        let tailByteCount = bytes.count - headByteCount
        // The buffer has storage also when it is empty.
        guard !bytes.isEmpty, let frame = bytes.bytes.baseAddress, let start = json.baseAddress, json.count > bytes.count,
            memcmp(frame, start, headByteCount) == 0,
            memcmp(frame + headByteCount, start + (json.count - tailByteCount), tailByteCount) == 0
        else { return nil }
        let literal = UnsafeRawBufferPointer(rebasing: json[headByteCount..<json.count - tailByteCount])
        var reader = JSONReader(literal)
        guard let text = try? reader.readString(), reader.byteOffset == literal.count, !text.isEmpty else { return nil }
        missCount = 0
        return text
    }

    /// Stores the frame of a chunk that was parsed.
    /// - Parameters:
    ///   - json: the chunk.
    ///   - text: all that the chunk told; a view of `json`.
    mutating func store(_ json: UnsafeRawBufferPointer, around text: RawString) {
        guard missCount < Self.maxMissCount, let start = json.baseAddress,
            json.count - text.byteCount - 2 <= Self.maxByteCount
        else { return }
        missCount += 1
        headByteCount = text.start - start - 1
        bytes.append(UnsafeRawBufferPointer(rebasing: json[..<headByteCount]))
        bytes.append(UnsafeRawBufferPointer(rebasing: json[(headByteCount + text.byteCount + 2)...]))
    }

    /// Forgets the frame.
    mutating func clear() {
        bytes.clear()
        headByteCount = 0
    }
}
