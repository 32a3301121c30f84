import Bytes
import HTTP

/// A small response whole, for questions that are no generation.
package final class HTTPFetch: HTTPTransfer {
    static let maxBodyBytes = 4 << 20

    package struct Response: Sendable {
        package let status: Int
        package let body: [UInt8]
        /// The field `Server`.
        package var software: String?
    }

    private var body = ByteBuffer()
    private var software: String?
    private var done: ((Result<Response, HTTPTransferError>) -> Void)?
    private var isGivenUp = false

    /// Makes the request on a loop. From any thread. When the task is cancelled, the request is, and counts as cut.
    package static func response(to request: HTTPClientRequest, on loop: EventLoop) async -> Result<Response, HTTPTransferError> {
        let fetch = LoopBound(transferring: HTTPFetch(request), to: loop)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                fetch.run { fetch in
                    fetch.done = { continuation.resume(returning: $0) }
                    if fetch.isGivenUp { fetch.finish(.failure(.cut)) } else { loop.httpClient.start(fetch) }
                }
            }
        } onCancel: {
            fetch.run { $0.giveUp() }
        }
    }

    private func giveUp() {
        isGivenUp = true
        cancel()
        finish(.failure(.cut))
    }

    package override func receivedHead(_ head: HTTPClientResponse) { software = head.fields["server"] }

    package override func received(_ bytes: UnsafeRawBufferPointer) {
        body.append(bytes)
        if body.count > Self.maxBodyBytes {
            cancel()
            finish(.failure(.notHTTP("a body of more than \(Self.maxBodyBytes) bytes")))
        }
    }

    package override func ended(_ end: End) {
        switch end {
        case .finished(let status): finish(.success(Response(status: status, body: body.array, software: software)))
        case .failed(let error): finish(.failure(error))
        }
    }

    private func finish(_ result: Result<Response, HTTPTransferError>) {
        let done = done
        self.done = nil
        done?(result)
    }
}
