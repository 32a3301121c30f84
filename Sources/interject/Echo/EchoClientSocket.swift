import Network
import WebSocket

/// Sends every message back as it came, from the client's end. Loop-confined.
final class EchoClientSocket: WebSocketConnection {
    /// How long one connection may last: the suite's slowest case takes half a minute on a busy machine.
    private static let deadline = Duration.seconds(300)
    /// As for `echo`: a message of the suite has up to 16 MiB.
    private static let limits = WebSocketLimits(maxMessageBytes: 64 << 20)
    /// Kept of the last text, which for `/getCaseCount` is a number.
    private static let maxKeptBytes = 64

    private var lastText = ""
    private let end: (String) -> Void

    private init(_ transport: WebSocketTransport, end: @escaping (String) -> Void) {
        self.end = end
        super.init(transport)
        loop.schedule(after: Self.deadline) { [weak self] in self?.abort() }
    }

    /// The connection, which owns this, lets go when its transport has ended. That is later than the close handshake, and it is then
    /// that the fuzzing server has judged.
    deinit { end(lastText) }

    override func receivedText(_ text: UnsafeRawBufferPointer) {
        lastText = String(decoding: text.prefix(Self.maxKeptBytes), as: UTF8.self)
        send(.text, text)
    }

    override func receivedBinary(_ bytes: UnsafeRawBufferPointer) { send(.binary, bytes) }

    /// Opens a WebSocket, echoes until it ends, however it does, and waits for the end of its transport.
    ///
    /// - Returns: the beginning of the last text that came.
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
