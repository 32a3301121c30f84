import Bytes
import CCurl

/// Why a transfer did not complete.
public enum HTTPTransferError: Error, Sendable, Hashable {
    /// The host's (or proxy's) name has no address.
    case couldNotResolve
    /// Connection refused, or the network is unreachable.
    case couldNotConnect
    /// Its addresses are not allowed by ``HTTPClientRequest/destinations``.
    case destinationNotAllowed
    /// The handshake failed, or the certificate is not trusted; libcurl's message.
    case tls(String)
    case connectTimedOut
    /// No byte, or none that counts, for this long: ``HTTPTransfer/endsSilenceWithBytes``.
    case silence(Duration)
    /// ``HTTPClientRequest/totalTimeout`` has passed.
    case timedOut
    /// The connection or stream broke before the end of the response.
    case cut
    /// The answer is not HTTP; libcurl's message.
    case notHTTP(String)
    /// The request is invalid: check the URL.
    case invalidRequest(String)
    /// The process has no descriptor left: not the other side's fault.
    case noDescriptors
    /// The event loop ends.
    case loopStopped
}

extension HTTPTransferError {
    init(_ code: CURLcode, detail: String, hasTotalTimeout: Bool, wasConnected: Bool) {
        let words = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .couldNotResolve
        case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED: self = .couldNotConnect
        case CURLE_OPERATION_TIMEDOUT: self = hasTotalTimeout && wasConnected ? .timedOut : .connectTimedOut
        case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING, CURLE_HTTP2, CURLE_HTTP2_STREAM:
            self = .cut
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT,
            CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            self = .tls(words)
        case CURLE_URL_MALFORMAT: self = .invalidRequest(words)
        // Caused by the URL, or by HTTP/0.9, which is how libcurl reports anything that is not HTTP.
        case CURLE_UNSUPPORTED_PROTOCOL: self = wasConnected ? .notHTTP(words) : .invalidRequest(words)
        default: self = .notHTTP(words)
        }
    }
}

extension HTTPTransferError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .couldNotResolve: "its name could not be resolved"
        case .couldNotConnect: "the connection was refused or the network does not lead there"
        case .destinationNotAllowed: "its address is not on the public Internet, and no other is allowed"
        case .tls(let words): "TLS failed: \(words)"
        case .connectTimedOut: "the connection could not be made in time"
        case .silence(let duration): "nothing of its answer came for \(duration.seconds.formattedSeconds) s"
        case .timedOut: "it did not answer in time"
        case .cut: "the connection was cut"
        case .notHTTP(let words): "it does not speak HTTP as it should: \(words)"
        case .invalidRequest(let words): "the request cannot be made, check the URL: \(words)"
        case .noDescriptors: "there is no descriptor left for a connection"
        case .loopStopped: "the server stops"
        }
    }
}

extension Double {
    /// Without a fraction if it is whole.
    fileprivate var formattedSeconds: String {
        self == rounded() && magnitude < 1e15 ? String(Int(saturating: self)) : String(self)
    }
}
