import Glibc
import Synchronization
import Testing

@testable import interject

/// Log lines on a pipe that nobody reads for a while.
@Suite struct LogOutputTests {
    private final class Pipe {
        let reader: Int32
        let writer: Int32

        init() throws {
            var ends: [Int32] = [0, 0]
            let code = pipe(&ends)
            (reader, writer) = (ends[0], ends[1])
            try #require(code == 0)
        }

        /// Fills it, so that a line has to wait.
        func fill() {
            _ = fcntl(writer, F_SETFL, O_NONBLOCK)
            let byte: UInt8 = UInt8(ascii: "-")
            while withUnsafeBytes(of: byte, { write(writer, $0.baseAddress, 1) }) == 1 {}
            _ = fcntl(writer, F_SETFL, 0)
        }

        /// What is in it, without what it was filled with.
        func read() -> String {
            _ = fcntl(reader, F_SETFL, O_NONBLOCK)
            var all: [UInt8] = []
            var piece = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = Glibc.read(reader, &piece, piece.count)
                if count <= 0 { break }
                all += piece[..<count]
            }
            return String(decoding: all.filter { $0 != UInt8(ascii: "-") }, as: UTF8.self)
        }

        deinit {
            close(reader)
            close(writer)
        }
    }

    private final class Refusals: Sendable { let left = Atomic(1) }

    /// No thread is to be had, the first time.
    private func output(_ pipe: Pipe) -> LogOutput {
        let refusals = Refusals()
        return LogOutput(
            descriptor: pipe.writer,
            startThread: { run in
                if refusals.left.wrappingSubtract(1, ordering: .relaxed).oldValue > 0 { return false }
                return Threads.start(run)
            }, describeLoss: { "lost \($0)\n" })
    }

    @Test func withoutAThreadTheNextLineTriesAgain() throws {
        let pipe = try Pipe()
        let output = output(pipe)
        pipe.fill()
        output.write("one\n")
        #expect(pipe.read().isEmpty)
        // The pipe takes bytes again, and what came first goes first.
        output.write("two\n")
        output.finish(within: 5000)
        #expect(pipe.read() == "one\ntwo\n")
        output.write("three\n")
        #expect(pipe.read() == "three\n")
    }

    @Test func theEndTriesAgainToo() throws {
        let pipe = try Pipe()
        let output = output(pipe)
        pipe.fill()
        output.write("last words\n")
        #expect(pipe.read().isEmpty)
        output.finish(within: 5000)
        #expect(pipe.read() == "last words\n")
    }
}
