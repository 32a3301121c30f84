import CZlib
import Testing

@testable import HTTP

/// Bodies that come packed.
@Suite struct ContentDecoderTests {
    /// Packs by zlib: 31 gzip, 15 zlib's format, -15 bare.
    static func pack(_ data: [UInt8], windowBits: Int32, level: Int32 = 6) -> [UInt8] {
        var stream = z_stream()
        deflateInit2_(
            &stream, level, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        defer { deflateEnd(&stream) }
        var data = data
        return data.withUnsafeMutableBufferPointer { input in
            [UInt8](unsafeUninitializedCapacity: input.count + 1024) { output, count in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                deflate(&stream, Z_FINISH)
                count = output.count - Int(stream.avail_out)
            }
        }
    }

    /// - Parameter pieceBytes: how the input is cut.
    static func unpack(_ packed: [UInt8], _ coding: ContentCoding, pieceBytes: Int) throws -> [UInt8] {
        let decoder = ContentDecoder(coding)
        var result: [UInt8] = []
        for start in stride(from: 0, to: packed.count, by: pieceBytes) {
            try packed[start..<min(start + pieceBytes, packed.count)].withUnsafeBytes { piece in
                var input = piece
                while input.count > 0 || decoder.holdsOutput {
                    try decoder.step(&input, maxBytes: 512) { result.append(contentsOf: $0) }
                }
            }
        }
        try decoder.finish()
        return result
    }

    static let text = Array("So it is said, again and again. ".utf8)
    static let long = Array(repeatElement(text, count: 10_000).joined())

    @Test(arguments: [(ContentCoding.gzip, Int32(31)), (.deflate, 15), (.deflate, -15)], [1, 7, 100_000])
    func whatWasPackedComesBack(format: (ContentCoding, Int32), pieceBytes: Int) throws {
        for data in [[], [0x61], Self.text, Self.long] {
            for level: Int32 in [0, 1, 9] {
                let packed = Self.pack(data, windowBits: format.1, level: level)
                #expect(try Self.unpack(packed, format.0, pieceBytes: pieceBytes) == data)
            }
        }
    }

    @Test func gzipMayHaveSeveralMembers() throws {
        let packed = Self.pack(Self.text, windowBits: 31) + Self.pack([], windowBits: 31) + Self.pack(Self.text, windowBits: 31)
        #expect(try Self.unpack(packed, .gzip, pieceBytes: 5) == Self.text + Self.text)
    }

    @Test func aBodyOfNoBytesIsOneOfNothing() throws {
        #expect(try Self.unpack([], .gzip, pieceBytes: 1) == [])
        #expect(try Self.unpack([], .deflate, pieceBytes: 1) == [])
    }

    @Test(arguments: [(ContentCoding.gzip, Int32(31)), (.deflate, 15), (.deflate, -15)])
    func whatIsCutOrFollowedIsMalformed(format: (ContentCoding, Int32)) {
        let packed = Self.pack(Self.text, windowBits: format.1)
        for count in 1..<packed.count {
            #expect(throws: MessageError.self) { try Self.unpack(Array(packed.prefix(count)), format.0, pieceBytes: 3) }
        }
        #expect(throws: MessageError.malformedContentCoding) { try Self.unpack(packed + [1, 2, 3], format.0, pieceBytes: 3) }
    }

    @Test func aFaultBehindMoreThanOneStepLeavesNothingToCome() {
        var packed = Self.pack(Self.long, windowBits: 31)
        packed[packed.count - 8] ^= 0xFF
        let decoder = ContentDecoder(.gzip)
        packed.withUnsafeBytes { packed in
            var input = packed
            #expect(throws: MessageError.malformedContentCoding) {
                while input.count > 0 || decoder.holdsOutput { try decoder.step(&input, maxBytes: .max) { _ in } }
            }
        }
        #expect(!decoder.holdsOutput)
    }

    /// Blocks without content: stored ones, and dynamic ones with the dearest tables.
    @Test func whatMakesNothingIsRefusedSoon() {
        let stored = Array(repeatElement([0x00, 0x00, 0x00, 0xFF, 0xFF] as [UInt8], count: 10_000).joined())
        #expect(throws: MessageError.malformedContentCoding) {
            try Self.unpack([0x00, 0x00, 0x00, 0xFF, 0xFF] + stored, .deflate, pieceBytes: 4096)
        }
    }

    @Test(
        arguments: [
            (["gzip"], ContentCoding.gzip), (["X-GZIP"], .gzip), (["deflate"], .deflate), ([" , gzip ,"], .gzip),
            (["identity", "gzip"], .gzip),
            (["identity"], nil), ([""], nil), ([], nil),
        ] as [([String], ContentCoding?)])
    func theFieldsNameOneCoding(values: [String], coding: ContentCoding?) throws {
        var fields = HeaderFields()
        for value in values { try fields.append("Content-Encoding", value) }
        #expect(try ContentCoding(fields) == coding)
    }

    @Test(arguments: [["br"], ["gzip, gzip"], ["gzip", "deflate"], ["zstd"], ["gzip;q=1"]])
    func everyOtherIsUnsupported(values: [String]) throws {
        var fields = HeaderFields()
        for value in values { try fields.append("Content-Encoding", value) }
        #expect(throws: MessageError.unsupportedContentCoding) { try ContentCoding(fields) }
    }
}
