import Glibc
import WebSocket

/// The driver of the toolchain's libFuzzer: reads the flags, then calls back for every input.
@_extern(c, "LLVMFuzzerRunDriver")
private func runDriver(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ testOneInput: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// All targets in one program, since linking one is faster than linking one for each; INTERJECT_FUZZ_TARGET chooses, so that the
/// command line is libFuzzer's own and its child processes (`-merge=1`, `-fork=1`) choose the same.
@main
enum Fuzz {
    typealias Target = @Sendable (UnsafeRawBufferPointer) -> Void

    /// Add a parser here, a function beside the others, and its seeds in `corpus.py`.
    static let targets: [(name: String, run: Target)] = [
        ("websocket-server", { fuzzWebSocket($0, role: .server) }),
        ("websocket-client", { fuzzWebSocket($0, role: .client) }),
        ("websocket-writer", fuzzFrameWriter),
        ("deflate-server", { fuzzDeflate($0, role: .server) }),
        ("deflate-client", { fuzzDeflate($0, role: .client) }),
        ("deflate-writer", fuzzDeflateWriter),
        ("http-requests", fuzzRequests),
        ("http-responses", fuzzResponses),
        ("chunked", fuzzChunked),
        ("multipart", fuzzMultipart),
        ("fields", fuzzFields),
        ("proxy-header", fuzzProxyHeader),
        ("content-coding", fuzzContentCoding),
        ("sse", fuzzServerSentEvents),
        ("json", fuzzJSON),
        ("schema", fuzzSchema),
        ("chat", fuzzChatCompletions),
        ("anthropic", fuzzAnthropicMessages),
        ("upstream-errors", fuzzUpstreamErrors),
        ("commands", fuzzCommands),
    ]

    nonisolated(unsafe) private static var chosen: Target = { _ in }

    static func main() {
        let name = getenv("INTERJECT_FUZZ_TARGET").map { String(cString: $0) }
        guard let target = targets.first(where: { $0.name == name }) else {
            for target in targets { print(target.name) }
            exit(name == nil ? 0 : 2)
        }
        chosen = target.run
        var argumentCount = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        let status = runDriver(&argumentCount, &arguments) { start, byteCount in
            Fuzz.chosen(UnsafeRawBufferPointer(start: start, count: byteCount))
            return 0
        }
        exit(status)
    }
}
