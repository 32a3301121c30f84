import Network
import WebSocket

/// A client that sends every message back unchanged. Loop-confined.
final class EchoClientSocket: WebSocketConnection {
    /// Longest duration of a connection. The suite's slowest case takes half a minute on a busy machine.
    private static let deadline = Duration.seconds(300)
    /// As for `echo`: messages of the suite have up to 16 MiB.
    private static let limits = WebSocketLimits(maxMessageBytes: 64 << 20)
    /// Bytes retained of the last text, which for `/getCaseCount` is a number.
    private static let maxRetainedBytes = 64

    private var lastText = ""
    private let end: (String) -> Void

    private init(_ transport: WebSocketTransport, end: @escaping (String) -> Void) {
        self.end = end
        super.init(transport)
        loop.schedule(after: Self.deadline) { [weak self] in self?.abort() }
    }

    /// The connection owns this object and releases it when its transport has ended, after the close handshake. By then the fuzzing
    /// server has recorded its verdict.
    deinit { end(lastText) }

    override func receivedText(_ text: UnsafeRawBufferPointer) {
        lastText = String(decoding: text.prefix(Self.maxRetainedBytes), as: UTF8.self)
        send(.text, text)
    }

    override func receivedBinary(_ bytes: UnsafeRawBufferPointer) { send(.binary, bytes) }

    /// Opens a WebSocket, echoes until it ends in any way, and waits for the end of its transport.
    ///
    /// - Returns: the beginning of the last text received.
    /// - Throws: if the connection cannot be made.
    static func visit(_ target: String, of server: ServerURL, on loop: EventLoop) async throws(Failure) -> String {
        let outcome = await withCheckedContinuation { (continuation: CheckedContinuation<Result<String, Failure>, Never>) in
            loop.execute {
                do throws(SystemCallError) {
                    try WebSocketClient.connect(
                        to: server.address, target: target, host: server.host, limits: limits, deflate: DeflateOptions(),
                        layer: server.layer(), on: loop,
                        opened: { EchoClientSocket($0) { continuation.resume(returning: .success($0)) } },
                        failed: { continuation.resume(returning: .failure(.runtime("\(server.text)\(target): \($0)"))) })
                } catch {
                    continuation.resume(returning: .failure(.runtime("\(server.text): \(error)")))
                }
            }
        }
        return try outcome.get()
    }
}
