import Bytes
import HTTP

/// Fetches a small response as a whole, for requests other than generations.
package final class HTTPFetch: HTTPTransfer {
    static let maxBodyBytes = 4 << 20

    /// The status and the body of a response.
    package struct Response: Sendable {
        /// HTTP status code.
        package let status: Int
        /// The whole body.
        package let body: [UInt8]
        /// The field `Server`.
        package var software: String?
    }

    private var body = ByteBuffer()
    private var software: String?
    private var done: ((Result<Response, HTTPTransferError>) -> Void)?
    private var isGivenUp = false

    /// Performs the request on a loop. Thread-safe. Cancelling the task cancels the request, which then fails.
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
