import Bytes
import Testing

@Suite struct UTF8ValidatorTests {
    private static func isValid(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { UTF8Validator.isValid($0) } }

    /// The position of the first byte at which a validator fed byte by byte says no, or nil.
    private static func firstRefusal(_ bytes: [UInt8]) -> Int? {
        var validator = UTF8Validator()
        return bytes.firstIndex { byte in !withUnsafeBytes(of: byte) { validator.validate($0) } }
    }

    private static func splitsAgree(_ bytes: [UInt8]) -> Bool {
        let whole = isValid(bytes)
        return (0...bytes.count).allSatisfy { cut in
            var validator = UTF8Validator()
            let first = bytes[..<cut].withUnsafeBytes { validator.validate($0) }
            let second = bytes[cut...].withUnsafeBytes { validator.validate($0) }
            return (first && second && validator.isComplete) == whole && (first || !second)
        }
    }

    @Test(arguments: [
        "", "a", "κόσμε", "\u{80}", "\u{7FF}", "\u{800}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}", "\u{D7FF}\u{E000}",
        String(repeating: "plain text, long enough for the wide path. ", count: 5),
        String(repeating: "x", count: 31) + "é" + String(repeating: "y", count: 33) + "日本語🙂", "日本語の文章です",
        "🙂🙂🙂🙂🙂",
    ])
    func acceptsWellFormedText(text: String) {
        #expect(Self.isValid(Array(text.utf8)))
        #expect(Self.splitsAgree(Array(text.utf8)))
    }

    /// Malformed bytes, and the offset of the byte that breaks them.
    @Test(
        arguments: [
            ([0x80], 0), ([0xBF], 0), ([0xC0, 0x80], 0), ([0xC1, 0xBF], 0), ([0xC2, 0x41], 1), ([0xE0, 0x80, 0x80], 1),
            ([0xE0, 0x9F, 0xBF], 1), ([0xED, 0xA0, 0x80], 1), ([0xED, 0xBF, 0xBF], 1), ([0xF0, 0x80, 0x80, 0x80], 1),
            ([0xF0, 0x8F, 0xBF, 0xBF], 1), ([0xF4, 0x90, 0x80, 0x80], 1), ([0xF5, 0x80, 0x80, 0x80], 0), ([0xFF], 0),
            ([0xFE], 0), ([0xE2, 0x82, 0xE2], 2), ([0xF0, 0x9F, 0x99, 0x41], 3), ([0xF8, 0x88, 0x80, 0x80, 0x80], 0),
            ([0xCE, 0xBA, 0xE1, 0xBD, 0xB9, 0xF4, 0x90, 0x80, 0x80, 0x65], 6),
        ] as [([UInt8], Int)])
    func refusesMalformedBytesAtTheFirstWrongByte(bytes: [UInt8], offset: Int) {
        #expect(Self.firstRefusal(bytes) == offset)
        for prefix in [0, 1, 7, 8, 31, 32, 40] {
            for suffix in [0, 1, 3, 40] {
                let text = [UInt8](repeating: 0x61, count: prefix) + bytes + [UInt8](repeating: 0x62, count: suffix)
                #expect(!Self.isValid(text))
                #expect(Self.splitsAgree(text))
            }
        }
    }

    @Test(arguments: [[0xC3], [0xE2, 0x82], [0xF0, 0x9F], [0xF0, 0x9F, 0x99]] as [[UInt8]])
    func aCutCharacterIsNotWrongYetButIncomplete(bytes: [UInt8]) {
        var validator = UTF8Validator()
        let isGood = bytes.withUnsafeBytes { validator.validate($0) }
        #expect(isGood && !validator.isComplete)
        validator.reset()
        #expect(validator.isComplete)
    }

    @Test func onceRefusedItStaysRefused() {
        var validator = UTF8Validator()
        let verdicts = [[0xFF], [0x61], []].map { (bytes: [UInt8]) in bytes.withUnsafeBytes { validator.validate($0) } }
        #expect(verdicts == [false, false, false])
    }

    /// Every pair of bytes and every interesting longer sequence, beside the standard library's verdict.
    @Test func agreesWithTheStandardLibrary() {
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max {
                let bytes = [first, second]
                if Self.isValid(bytes) != (String(validating: bytes, as: UTF8.self) != nil) {
                    Issue.record("disagree on \(bytes)")
                }
            }
        }
        let edges: [UInt8] = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4,
        ]
        for a in edges {
            for b in edges {
                for c in edges {
                    for d in edges {
                        let bytes = [a, b, c, d]
                        if Self.isValid(bytes) != (String(validating: bytes, as: UTF8.self) != nil) {
                            Issue.record("disagree on \(bytes)")
                        }
                    }
                }
            }
        }
    }

    // MARK: Where it is wrong

    @Test(
        arguments: [
            ([], nil), ([0x61, 0x62], nil), ([0x61, 0xC3], 1), ([0xC3, 0xA9, 0x80], 2), ([0xE2, 0x82], 0),
            ([0x61, 0x61, 0x61, 0x61, 0xF0, 0x9F, 0x99, 0x41], 4), ([0xE3, 0x81, 0x82, 0xED, 0xA0, 0x80], 3),
        ] as [([UInt8], Int?)])
    func theFirstInvalidOffsetIsWhereItsSequenceBegins(bytes: [UInt8], offset: Int?) {
        #expect(bytes.withUnsafeBytes { UTF8Validator.firstInvalidOffset($0) } == offset)
        let behindASCII = [UInt8](repeating: 0x61, count: 37) + bytes
        #expect(behindASCII.withUnsafeBytes { UTF8Validator.firstInvalidOffset($0) } == offset.map { $0 + 37 })
    }

    @Test(
        arguments: [
            ([0x61], 1), ([0xC3, 0xA9], 2), ([0xE2, 0x82, 0xAC, 0x61], 3), ([0xF0, 0x9F, 0x99, 0x82], 4), ([0x80], -1),
            ([0xFF, 0x61, 0x61, 0x61], -1), ([0xC3], -1), ([0xE2, 0x82], -2), ([0xE2, 0x82, 0x61, 0x61], -2),
            ([0xF0, 0x9F, 0x99], -3), ([0xF0, 0x9F, 0x99, 0x61], -3), ([0xED, 0xA0, 0x80, 0x61], -1),
            ([0xF4, 0x90, 0x80, 0x80], -1),
        ] as [([UInt8], Int)])
    func aSequenceHasItsLengthOrThatOfItsMaximalSubpart(bytes: [UInt8], length: Int) {
        #expect(bytes.withUnsafeBytes { Self.sequenceLength($0) } == length)
    }

    private static func sequenceLength(_ bytes: UnsafeRawBufferPointer) -> Int {
        bytes.baseAddress.map { UTF8Validator.sequenceLength($0, byteCount: bytes.count) } ?? 0
    }

    /// With U+FFFD for each ill-formed subpart.
    private static func repaired(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var position = 0
        while position < bytes.count {
            let length = bytes[position...].withUnsafeBytes { sequenceLength($0) }
            output += length > 0 ? Array(bytes[position..<position + length]) : Array("\u{FFFD}".utf8)
            position += abs(length)
        }
        return output
    }

    @Test func agreesWithTheStandardLibraryOnMutatedText() {
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let alphabet = ["a", "plain ascii words ", "é", "語", "🙂", "\u{7FF}", "\u{FFFF}"].map { Array($0.utf8) }
        for _ in 0..<2_000 {
            var bytes = (0..<random(12)).flatMap { _ in alphabet[random(alphabet.count)] }
            if !bytes.isEmpty, random(3) > 0 { bytes[random(bytes.count)] = UInt8(random(256)) }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            #expect(Self.isValid(bytes) == expected, "seed \(seed), bytes \(bytes)")
            let offset = bytes.withUnsafeBytes { UTF8Validator.firstInvalidOffset($0) }
            #expect((offset == nil) == expected, "seed \(seed), bytes \(bytes)")
            #expect(Self.isValid(Array(bytes[..<(offset ?? bytes.count)])), "seed \(seed), bytes \(bytes)")
            #expect(Self.repaired(bytes) == Array(String(decoding: bytes, as: UTF8.self).utf8), "seed \(seed), bytes \(bytes)")
            #expect(Self.splitsAgree(bytes), "seed \(seed), bytes \(bytes)")
        }
    }
}
