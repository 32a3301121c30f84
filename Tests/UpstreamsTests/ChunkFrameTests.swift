import Glibc
import JSON
import Sessions
import Testing

@testable import Upstreams

/// Chunks that differ in nothing but their text are not parsed whole; what is delivered must be what a whole parse delivers.
@Suite struct ChunkFrameTests {
    private static func chunk(_ delta: String, created: Int = 1, rest: String = "\"finish_reason\":null") -> String {
        "{\"id\":\"c\",\"created\":\(created),\"choices\":[{\"index\":0,\"delta\":\(delta),\(rest)}]}"
    }

    private static func text(_ escaped: String, created: Int = 1) -> String {
        chunk("{\"content\":\"\(escaped)\"}", created: created)
    }

    /// What a reader tells of chunks, and how it ended.
    private static func read(_ chunks: [String]) -> Reading {
        let sink = RecordingSink()
        var reader = ChatChunkReader()
        for chunk in chunks {
            if let fault = read(chunk, by: &reader, into: sink) { return Reading(calls: sink.calls, outcome: "\(fault)") }
        }
        do throws(UpstreamFault) {
            return Reading(calls: sink.calls, outcome: "\(try reader.conclude(into: sink))")
        } catch {
            return Reading(calls: sink.calls, outcome: "\(error)")
        }
    }

    private struct Reading: Equatable {
        var calls: [String]
        var outcome: String
    }

    private static func read(_ chunk: String, by reader: inout ChatChunkReader, into sink: RecordingSink) -> UpstreamFault? {
        var chunk = chunk
        return chunk.withUTF8 { bytes in
            do throws(UpstreamFault) {
                try reader.read(UnsafeRawBufferPointer(bytes), into: sink)
                return nil
            } catch {
                return error
            }
        }
    }

    /// The text that the frame finds in a chunk.
    private static func found(_ chunk: String, by frame: inout ChunkFrame) -> String? {
        var chunk = chunk
        return chunk.withUTF8 { frame.text(of: UnsafeRawBufferPointer($0))?.string() }
    }

    private static func store(_ chunk: String, in frame: inout ChunkFrame) {
        var chunk = chunk
        chunk.withUTF8 { bytes in
            let json = UnsafeRawBufferPointer(bytes)
            var reader = JSONReader(json)
            if let text = try? ChatChunk(&reader).onlyText { frame.store(json, around: text) }
        }
    }

    @Test(arguments: [
        ["one", " two", "three"], ["a", "\\n", "\\\"", "\\\\", "\\u00e9", "é", "日本"], ["\\ud83d", "\\ude00"], ["a", "", "b"],
        ["\\ud83d", "x"], ["}]}", "\\\"}}]}", "{"],
    ])
    func theSameIsDeliveredWithAFrameAndWithout(_ texts: [String]) {
        let finish = Self.chunk("{}", rest: "\"finish_reason\":\"stop\"")
        let framed = Self.read(texts.map { Self.text($0) } + [finish])
        let whole = Self.read(texts.enumerated().map { Self.text($1, created: $0) } + [finish])
        #expect(framed == whole)
        #expect(framed.outcome == "\(FinishReason.stop)")
    }

    @Test func whatComesBetweenTextsIsDeliveredInItsOrder() {
        let others = [
            Self.chunk("{\"role\":\"assistant\",\"content\":\"\"}"), Self.chunk("{\"reasoning_content\":\"hm\"}"),
            Self.chunk("{\"refusal\":\"no\"}"), Self.chunk("{\"content\":\"x\",\"role\":\"tool\"}"),
            Self.chunk("{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"),
            "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}", "null", "[]",
            "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}}]}",
            Self.chunk("{\"content\":\"last\"}", rest: "\"finish_reason\":\"length\""),
        ]
        var random = UpstreamRandom(state: 7)
        for _ in 0..<200 {
            let steps = (0..<12).map { _ in Int.random(in: 0..<2 * others.count, using: &random) }
            func chunks(varying: Bool) -> [String] {
                steps.enumerated().map { $1 < others.count ? others[$1] : Self.text("t\($1)", created: varying ? $0 : 1) }
            }
            #expect(Self.read(chunks(varying: false)) == Self.read(chunks(varying: true)), "steps \(steps)")
        }
    }

    @Test(arguments: ["a\u{1}b", "a\"b", "\\x", "\\u12", "a\\"])
    func aTextThatIsNoJSONIsRepairedOrRefusedAsInAWholeChunk(_ text: String) {
        let framed = Self.read([Self.text("one"), Self.text("two"), Self.text(text)])
        let whole = Self.read([Self.text("one", created: 1), Self.text("two", created: 2), Self.text(text, created: 3)])
        #expect(framed == whole)
        #expect(framed.calls.starts(with: ["text one", "text two"]))
    }

    @Test func onlyTheTextOfAnEqualChunkIsTaken() {
        var frame = ChunkFrame()
        #expect(Self.found(Self.text("one"), by: &frame) == nil)
        Self.store(Self.text("one"), in: &frame)
        #expect(Self.found(Self.text("another"), by: &frame) == "another")
        #expect(Self.found(Self.text("x", created: 2), by: &frame) == nil)
        #expect(Self.found(Self.text(""), by: &frame) == nil, "no text is none")
        #expect(Self.found(Self.text("a\",\"refusal\":\"b"), by: &frame) == nil, "two strings")
        frame.clear()
        #expect(Self.found(Self.text("one"), by: &frame) == nil)
    }

    @Test func framesThatNoChunkEqualsAreNotStoredForEver() {
        var frame = ChunkFrame()
        for created in 0..<ChunkFrame.maxMissCount {
            frame.clear()
            Self.store(Self.text("x", created: created), in: &frame)
            #expect(Self.found(Self.text("y", created: created + 1), by: &frame) == nil)
        }
        frame.clear()
        Self.store(Self.text("x"), in: &frame)
        #expect(Self.found(Self.text("y"), by: &frame) == nil)
    }

    /// Of a frame that was forgotten nothing is compared: behind the chunk there may be no memory.
    @Test func aForgottenFrameReadsNothingBehindAChunk() throws {
        let page = sysconf(Int32(_SC_PAGESIZE))
        let memory = try #require(mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(memory, 2 * page) }
        try #require(memory != MAP_FAILED && mprotect(memory + page, page, PROT_NONE) == 0)
        var frame = ChunkFrame()
        Self.store(Self.text("one"), in: &frame)
        frame.clear()
        // At the end of the readable page: one chunk with the same head, and one that is shorter than it.
        for chunk in [Self.text("two"), String(Self.text("two").prefix(24))] {
            let place = UnsafeMutableRawBufferPointer(start: memory + page - chunk.utf8.count, count: chunk.utf8.count)
            place.copyBytes(from: chunk.utf8)
            let text = frame.text(of: UnsafeRawBufferPointer(place))
            #expect(text == nil)
        }
    }
}
