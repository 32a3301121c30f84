import JSON
import Testing

@Suite struct FuzzTests {
    static let seed: UInt64 = 20_250_701

    @Test func whatIsWrittenIsReadBackEqual() throws {
        for round in 0..<400 {
            var random = SeededGenerator(seed: Self.seed &+ UInt64(round))
            let value = RandomJSON.value(&random)
            let compact = value.serialized()
            #expect(try JSONValue.parse(compact) == value, "seed \(Self.seed) round \(round)")
            let loose = RandomJSON.text(value, &random)
            let parsed = try JSONValue.parse(loose)
            #expect(parsed == value, "seed \(Self.seed) round \(round): \(loose)")
            #expect(parsed.serialized() == compact, "seed \(Self.seed) round \(round): \(loose)")
        }
    }

    /// Builds the value by the pull reader's steps alone.
    private func walked(_ reader: inout JSONReader) throws -> JSONValue {
        switch try reader.peek() {
        case .null: return try reader.readNull() ? .null : "not null"
        case .bool: return .bool(try reader.readBool())
        case .number: return .number(try reader.readNumber())
        case .string: return .string(try reader.readString().string())
        case .array:
            var array: [JSONValue] = []
            try reader.enterArray()
            while try reader.nextElement() { array.append(try walked(&reader)) }
            return .array(array)
        case .object:
            var members: [(String, JSONValue)] = []
            try reader.enterObject()
            while let key = try reader.nextKey() { members.append((key.string(), try walked(&reader))) }
            return .object(JSONObject(members))
        }
    }

    @Test func mutatedTextsNeverCrashAndAllWaysAgree() throws {
        let alphabet =
            [UInt8]("\"\\{}[],:0123456789-+.eEtrufalsn /bd\n\t".utf8) + [
                0, 0x1F, 0x7F, 0x80, 0xC3, 0xA9, 0xE2, 0xED, 0xF0, 0xFF,
            ]
        for round in 0..<1500 {
            var random = SeededGenerator(seed: Self.seed &* 31 &+ UInt64(round))
            var bytes = [UInt8](RandomJSON.text(RandomJSON.value(&random, depth: 3), &random).utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0...bytes.count, using: &random)
                let byte = alphabet.randomElement(using: &random) ?? 0
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.insert(byte, at: place)
                case 1 where place < bytes.count: bytes[place] = byte
                case 2 where place < bytes.count: bytes.remove(at: place)
                default: bytes.removeSubrange(place...)
                }
            }
            let parsed = Result { try JSONValue.parse(bytes) }
            let skipped = Result {
                try read(bytes) { reader in
                    try reader.skipValue()
                    try reader.finish()
                }
            }
            let built = Result {
                try read(bytes) { reader in
                    let value = try walked(&reader)
                    try reader.finish()
                    return value
                }
            }
            switch (parsed, skipped, built) {
            case (.success(let one), .success, .success(let other)): #expect(one == other, "round \(round)")
            case (.failure(let one), .failure(let two), .failure(let three)):
                #expect(one as? JSONError == two as? JSONError, "seed \(Self.seed) round \(round): \(bytes)")
                #expect(one as? JSONError == three as? JSONError, "seed \(Self.seed) round \(round): \(bytes)")
            default: Issue.record("seed \(Self.seed) round \(round): \(parsed) \(skipped) \(built) \(bytes)")
            }
        }
    }

    @Test func randomBytesNeverCrash() {
        var random = SeededGenerator(seed: Self.seed)
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            for text in [bytes, [UInt8(ascii: "\"")] + bytes, [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]] {
                _ = try? JSONValue.parse(text)
                _ = try? read(text) { try $0.readValue() }
                _ = try? read(text) { try $0.skipValue() }
            }
        }
    }
}
