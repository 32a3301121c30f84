import Glibc
import JSON
import Testing

@Suite struct LimitTests {
    @Test func depthIsCountedInOpenContainers() throws {
        let limits = JSONLimits(maxDepth: 3)
        #expect(try JSONValue.parse("[[[1]]]", limits: limits).description == "[[[1]]]")
        #expect(try JSONValue.parse(#"[{"a":[]},{"b":[]}]"#, limits: limits)[1]?["b"] == [])
        let error = #expect(throws: JSONError.self) { try JSONValue.parse("[[[[1]]]]", limits: limits) }
        #expect(error == JSONError(.tooDeep, byteOffset: 3))
    }

    @Test func depthIsHeldWithinItsBounds() {
        #expect(JSONLimits(maxDepth: .max).maxDepth == JSONLimits.highestMaxDepth)
        #expect(JSONLimits(maxDepth: .min).maxDepth == 1)
    }

    @Test func textLongerThanTheLimitIsRefused() {
        let error = #expect(throws: JSONError.self) {
            try JSONValue.parse("[1,2]", limits: JSONLimits(maxByteCount: 4))
        }
        #expect(error == JSONError(.tooLong, byteOffset: 4))
    }

    /// Runs where the stack is as small as our threads' and the depth as large as can be configured.
    @Test func deepestTextFitsASmallStack() {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, 512 * 1024)
        var thread = pthread_t()
        let created = pthread_create(
            &thread, &attributes,
            { _ in
                let limits = JSONLimits(maxDepth: .max)
                let depth = limits.maxDepth
                for (open, inner, close) in [("[", "", "]"), (#"{"k":"#, "1", "}"), (#"[{"k":"#, "1", "}]")] {
                    let count = open.hasPrefix("[{") ? depth / 2 : depth
                    let text = String(repeating: open, count: count) + inner + String(repeating: close, count: count)
                    let bomb = [UInt8](String(repeating: open, count: 200_000).utf8)
                    let value = try? JSONValue.parse(text, limits: limits)
                    guard let value, value.description == text, value == value, value.hashValue == value.hashValue,
                        (try? JSONValue.parse(bomb, limits: limits)) == nil,
                        (try? read(bomb, limits: limits) { try $0.skipValue() }) == nil
                    else { return UnsafeMutableRawPointer(bitPattern: 1) }
                }
                return nil
            }, nil)
        #expect(created == 0)
        var failure: UnsafeMutableRawPointer?
        pthread_join(thread, &failure)
        #expect(failure == nil)
    }

    @Test func aHundredThousandKeysTakeLinearTime() throws {
        func parse(keyCount: Int) throws -> (value: JSONValue, time: Duration) {
            let members = (0..<keyCount).map { "\"key\($0)\":\($0)" }
            let text = "{" + members.joined(separator: ",") + ",\"key5\":-1}"
            var value = JSONValue.null
            // The best of three: a busy machine only ever takes longer.
            let times = try (0..<3).map { _ in try ContinuousClock().measure { value = try JSONValue.parse(text) } }
            return (value, times.min() ?? .zero)
        }
        let few = try parse(keyCount: 10_000)
        let many = try parse(keyCount: 100_000)
        #expect(many.value.object?.count == 100_000)
        #expect(many.value["key5"] == -1)
        #expect(many.value["key99999"] == 99_999)
        // Ten times as many take ten times as long; quadratic would be a hundred times.
        #expect(many.time < few.time * 50, "\(few.time), \(many.time)")
    }

    @Test func permutedCombiningMarksDoNotCollide() throws {
        // Canonically equivalent strings of different bytes: String's own hash would be the same for all.
        let marks = ["\u{301}", "\u{323}", "\u{327}", "\u{31B}", "\u{328}", "\u{345}", "\u{334}"]
        var keys = [""]
        for mark in marks {
            keys = keys.flatMap { key in
                (0...key.unicodeScalars.count).map { place in
                    var scalars = Array(key.unicodeScalars)
                    scalars.insert(contentsOf: mark.unicodeScalars, at: place)
                    return scalars.reduce(into: "") { $0.unicodeScalars.append($1) }
                }
            }
        }
        let text = "{" + keys.map { "\"a\($0)\":0" }.joined(separator: ",") + "}"
        #expect(try JSONValue.parse(text).object?.count == 5040)
    }
}
